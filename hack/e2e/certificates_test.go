package e2e

import (
	"context"
	"fmt"
	"os"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/chatcluster/chatcluster/server/certificatetest"
)

// redisCertificate is the Secret that spec.redis.tls names.
const redisCertificate = "redis-tls"

// certify makes an authority and the Secret with a certificate of it, as cert-manager would.
func (c *chat) certify(t *testing.T) {
	t.Helper()
	authority := certificatetest.NewAuthority(t)
	c.issue = func() (map[string][]byte, error) {
		issued := authority.Issue(t, c.redisNames()...)
		return readFiles(map[string]string{
			corev1.TLSCertKey: issued.CertificateFile, corev1.TLSPrivateKeyKey: issued.KeyFile, "ca.crt": authority.File,
		})
	}
	data, err := c.issue()
	if err != nil {
		t.Fatal(err)
	}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: c.namespace, Name: redisCertificate}, Type: corev1.SecretTypeTLS, Data: data}
	if err := c.client.Create(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
}

// redisNames are those of all Redis servers and Sentinels, and of the Service of one server.
func (c *chat) redisNames() []string {
	names := []string{fmt.Sprintf("%s-redis.%s.svc.cluster.local", c.name, c.namespace)}
	for _, service := range []string{"redis", "sentinel"} {
		names = append(names, fmt.Sprintf("*.%s-%s.%s.svc.cluster.local", c.name, service, c.namespace))
	}
	return names
}

func readFiles(names map[string]string) (map[string][]byte, error) {
	data := map[string][]byte{}
	for key, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		data[key] = text
	}
	return data, nil
}

// exchangeCertificate puts another certificate of the same authority into the Secret, and waits until all of Redis shows it.
func (c *chat) exchangeCertificate(ctx context.Context) error {
	data, err := c.issue()
	if err != nil {
		return err
	}
	secret := &corev1.Secret{}
	if err := c.client.Get(ctx, ctrl.ObjectKey{Namespace: c.namespace, Name: redisCertificate}, secret); err != nil {
		return err
	}
	secret.Data = data
	if err := c.client.Update(ctx, secret); err != nil {
		return err
	}
	if err := c.awaitProgress(ctx); err != nil {
		return err
	}
	return c.awaitRest(ctx)
}
