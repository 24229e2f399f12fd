package redistest

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/chatcluster/chatcluster/server/certificatetest"
)

func TestServerKeepsWhatItWasToldToKeep(t *testing.T) {
	server := Start(t, "--appendonly", "yes", "--appendfsync", "always")
	client := server.Client(t, goredis.Options{})
	must(t, client.Set(context.Background(), "key", "value", 0).Err())
	server.Kill()
	server.Start(t)
	if value, err := client.Get(context.Background(), "key").Result(); value != "value" {
		t.Errorf("%q, %v", value, err)
	}
	server.Stop()
	server.Start(t)
}

func TestPausedServerGoesOn(t *testing.T) {
	server := Start(t)
	client := server.Client(t, goredis.Options{ReadTimeout: 100 * time.Millisecond})
	server.Pause(t)
	if err := client.Ping(context.Background()).Err(); err == nil {
		t.Error("it answers")
	}
	server.Resume(t)
	eventually(t, "it answers", func() error { return client.Ping(context.Background()).Err() })
}

func TestServerAsksForCertificates(t *testing.T) {
	authority := certificatetest.NewAuthority(t)
	server := StartTLS(t, authority)
	files := authority.Issue(t, "client.example.com")
	certificate, err := tls.LoadX509KeyPair(files.CertificateFile, files.KeyFile)
	must(t, err)
	settings := &tls.Config{RootCAs: authority.Pool, Certificates: []tls.Certificate{certificate}}
	must(t, server.Client(t, goredis.Options{TLSConfig: settings}).Ping(context.Background()).Err())
	if err := server.Client(t, goredis.Options{TLSConfig: &tls.Config{RootCAs: authority.Pool}}).Ping(context.Background()).Err(); err == nil {
		t.Error("a client without certificate is let in")
	}
}

func TestSentinelsFailOver(t *testing.T) {
	s := StartSentinels(t)
	before := s.Master(t)
	after := s.FailOver(t)
	s.AwaitReplica(t)
	after.Kill()
	if s.AwaitFailOver(t, after) != before {
		t.Error("another server is the master")
	}
	after.Start(t)
	s.AwaitReplica(t)
}

func TestClusterFailsOver(t *testing.T) {
	c := StartCluster(t)
	before := c.Owner(t, "key")
	before.Kill()
	if after := c.Owner(t, "key"); after == before {
		t.Error("a dead node owns the slot")
	}
	before.Start(t)
	c.AwaitHealth(t)
}

func TestProxy(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer listener.Close()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(conn, conn) }()
		}
	}()
	proxy := StartProxy(t, listener.Addr().String())
	conn, err := net.Dial("tcp", proxy.Address)
	must(t, err)
	defer conn.Close()
	reader := bufio.NewReader(conn)
	echo := func() error {
		_ = conn.SetReadDeadline(time.Now().Add(patience))
		if _, err := conn.Write([]byte("x\n")); err != nil {
			return err
		}
		_, err := reader.ReadString('\n')
		return err
	}
	must(t, echo())
	const delay = 30 * time.Millisecond
	proxy.Delay(delay)
	started := time.Now()
	must(t, echo())
	if took := time.Since(started); took < 2*delay {
		t.Errorf("took %s", took)
	}
	proxy.Delay(0)
	proxy.Hold(ToClient)
	_, err = conn.Write([]byte("held\n"))
	must(t, err)
	_ = conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if _, err := reader.ReadString('\n'); err == nil {
		t.Error("it came")
	}
	proxy.Release(ToClient)
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	if line, err := reader.ReadString('\n'); line != "held\n" {
		t.Errorf("%q, %v", line, err)
	}
	held := proxy.HoldAt(ToServer, "mark")
	must(t, echo())
	_, err = conn.Write([]byte("a mark\n"))
	must(t, err)
	<-held
	proxy.Release(ToServer)
	if line, err := reader.ReadString('\n'); line != "a mark\n" {
		t.Errorf("%q, %v", line, err)
	}
	proxy.Cut()
	if err := echo(); err == nil {
		t.Error("the connection lives")
	}
	proxy.Mend()
	conn, err = net.Dial("tcp", proxy.Address)
	must(t, err)
	reader = bufio.NewReader(conn)
	must(t, echo())
	if proxy.Accepted() != 2 {
		t.Errorf("%d connections", proxy.Accepted())
	}
}
