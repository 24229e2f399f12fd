package host

import (
	"cmp"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/chatcluster/chatcluster/server/cluster"
	"github.com/chatcluster/chatcluster/server/host/config"
	"github.com/chatcluster/chatcluster/server/host/drain"
	"github.com/chatcluster/chatcluster/server/host/metrics"
	"github.com/chatcluster/chatcluster/server/signalr/backplane/redis"
)

// podPeerPort is the port for other servers in a pod, where network policies name it.
const podPeerPort = 9091

// peers is what joins this server with the others so that any of them may get a client's request: the listener for them,
// and the membership.
type peers struct {
	listener  listener
	server    *endable
	member    *cluster.Member
	network   *cluster.HTTPNetwork
	directory io.Closer
}

// openPeers opens the peer listener and enters this server into the directory. The caller calls serve.
func openPeers(c config.Config, link *clusterLink, m *metrics.Metrics, logger *slog.Logger) (*peers, error) {
	near := link.options.Redis.Addr
	if servers := link.options.Servers.Addresses; len(servers) > 0 {
		near = servers[0]
	}
	address, err := peerAddress(c, near)
	if err != nil {
		return nil, err
	}
	socket, err := listenOn(context.Background(), config.Address{TLS: true, Host: address.advertised}, address.host, address.port)
	if err != nil {
		return nil, config.Problem("PeerAddress", "%w", &AddressError{net.JoinHostPort(address.host, strconv.Itoa(address.port)), err})
	}
	socket.tls = true
	self := cluster.Peer{
		Instance: cluster.NewInstance(),
		Address:  net.JoinHostPort(address.advertised, strconv.Itoa(portOf(socket))),
	}
	client := redis.NewClient(link.options)
	p := &peers{listener: socket, directory: client, network: cluster.NewNetwork(self, link.keys, logger)}
	p.member = cluster.NewMember(cluster.MemberOptions{
		Self: self, Network: p.network, Logger: logger, Observer: m.Peers(),
		Directory: cluster.NewRedisDirectory(client, link.options.ChannelPrefix),
	})
	link.member.Store(p.member)
	return p, nil
}

// serve makes the server of the peer listener: for requests of clients whose connections are here, and for the drain.
func (p *peers) serve(keys *cluster.Keys, forwarded http.Handler, runner *drain.Runner) {
	p.server = newEndable(p.member.Server(keys, forwarded))
	others := p.server.Handler
	draining := runner.Handler(p.member.Self().Instance, func() int { return len(p.takers()) })
	p.server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == drain.Path {
			draining.ServeHTTP(w, r)
			return
		}
		others.ServeHTTP(w, r)
	})
}

// close ends the membership. Nobody may be connected any more. That ctx is over keeps nobody from leaving properly: the
// others would look for this server until its lease ends. The member itself bounds how long that takes.
func (p *peers) close(ctx context.Context) {
	_ = p.listener.Close() // it is closed already if it was served
	p.member.Close(context.WithoutCancel(ctx))
	p.network.Close()
	_ = p.directory.Close() // it has nothing left to say
}

// peerEndpoint is where this server listens for others, and by which address they know it.
type peerEndpoint struct {
	host       string
	port       int
	advertised string
}

// peerAddress chooses the endpoint: the one that is configured, that of the pod, or the address by which this server
// reaches Redis. The others reach Redis too, so they reach that: on a laptop it is the loopback.
func peerAddress(c config.Config, redisAddress string) (peerEndpoint, error) {
	local := cmp.Or(c.PodIP, addressTowards(redisAddress))
	if c.PeerAddress == "" {
		endpoint := peerEndpoint{host: local, advertised: local}
		if c.PodIP != "" {
			endpoint.port = podPeerPort
		}
		return endpoint, nil
	}
	host, port, err := splitHostPort("PeerAddress", c.PeerAddress)
	if err != nil {
		return peerEndpoint{}, err
	}
	endpoint := peerEndpoint{host: host, port: port, advertised: host}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		endpoint.advertised = local
	}
	return endpoint, nil
}

// lookUpTimeout is how long the name of Redis may take to be found.
const lookUpTimeout = 2 * time.Second

// anywhere is an address that no network has (RFC 5737): the way to it is the default one.
const anywhere = "192.0.2.1:9"

// addressTowards returns the address of this machine from which another one is reached. Nothing is sent to it.
func addressTowards(remote string) string {
	for _, remote := range []string{remote, anywhere} {
		probe, err := (&net.Dialer{Timeout: lookUpTimeout}).DialContext(context.Background(), "udp", remote)
		if err != nil {
			continue
		}
		local, ok := probe.LocalAddr().(*net.UDPAddr)
		_ = probe.Close()
		if ok {
			return local.IP.String()
		}
	}
	return "127.0.0.1"
}
