package suite

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// balancedServers is how many servers are behind a balancer.
const balancedServers = 2

// startBalanced starts servers on one Redis behind a balancer without affinity, which sends every single request to
// another one than the request before. To the rows they are one server.
func startBalanced(i *implementation, number int, environment []string) (*server, error) {
	if !slices.ContainsFunc(environment, func(variable string) bool { return strings.HasPrefix(variable, "REDIS_CONNECTION=") }) {
		redis, err := i.sharedRedis()
		if err != nil {
			return nil, err
		}
		prefix := fmt.Sprintf("balanced%d.", i.balanced.Add(1))
		environment = append(slices.Clone(environment), "REDIS_CONNECTION="+redis.address, "CHANNEL_PREFIX="+prefix)
	}
	s := &server{backends: make([]*server, balancedServers)}
	problems := make([]error, balancedServers)
	var beginning sync.WaitGroup
	for at := range s.backends {
		beginning.Go(func() { s.backends[at], problems[at] = startOne(i, number, environment) })
	}
	beginning.Wait()
	if err := errors.Join(problems...); err != nil {
		for _, backend := range s.backends {
			if backend != nil {
				backend.stop()
			}
		}
		return nil, err
	}
	s.balancer = httptest.NewServer(alternate(s.backends))
	s.url = s.balancer.URL
	return s, nil
}

// alternate passes requests on, each to the next server.
func alternate(servers []*server) http.Handler {
	var count atomic.Int64
	return &httputil.ReverseProxy{
		FlushInterval: -1,
		Transport:     &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: rowsAtATime},
		ErrorLog:      log.New(io.Discard, "", 0), // rows cut connections
		Rewrite: func(r *httputil.ProxyRequest) {
			next, err := url.Parse(servers[int(count.Add(1))%len(servers)].url)
			if err != nil {
				panic(err) // the suite made it
			}
			r.SetURL(next)
			r.Out.Host = r.In.Host
		},
	}
}

// sharedRedis is the Redis that rows share.
func (i *implementation) sharedRedis() (*redisServer, error) {
	i.redisOnce.Do(func() {
		port, err := freePort()
		if err == nil {
			i.redis, err = startRedis(port)
		}
		i.redisErr = err
	})
	return i.redis, i.redisErr
}

// redisAbsent says why there is no Redis, if there is none.
func redisAbsent() string {
	if _, err := exec.LookPath("redis-server"); err != nil {
		return "redis-server is absent: install Redis 7 or later"
	}
	return ""
}
