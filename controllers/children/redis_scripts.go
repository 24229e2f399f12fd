package children

// The files of scripts. They run in Redis's own images, so they need no more than a shell and redis-cli.
const (
	endScriptFile   = "end.sh"
	startScriptFile = "start.sh"
)

// endScript runs before a Redis server is told to end. A primary first hands over, for no write to be lost: the operator sees that the
// pod ends and does it. If it is away, the server asks a Sentinel, or its first replica in a Cluster, itself. Passwords go through
// pipes: they must be in no command line and no environment. What it prints, nobody sees.
const endScript = `# Waits until this server is no primary any more, and after a while sees to it itself.
primary() { [ "$(cli --user probe --pass - role | head -n 1)" = master ]; }
cli() { redis-cli $TLS_FLAGS -p 6379 --no-auth-warning "$@" 2>/dev/null; }
as_internal() { { printf 'AUTH internal '; cat /chatcluster/auth/internal; printf '\n%s\n' "$1"; } | redis-cli $TLS_FLAGS $2 2>/dev/null | tail -n 1; }

wait_for_successor() {
  left=$1
  while [ "$left" -gt 0 ] && primary; do sleep 1; left=$((left - 1)); done
  primary || exit 0
}

wait_for_successor 10
if [ -n "$SENTINEL_ADDRESS" ]; then
  as_internal 'CLIENT PAUSE 10000 WRITE' '-p 6379' >/dev/null
  as_internal "SENTINEL FAILOVER $SENTINEL_PRIMARY" "-h $SENTINEL_ADDRESS -p 26379" | grep -q '^OK' || {
    as_internal 'CLIENT UNPAUSE' '-p 6379' >/dev/null
    exit 0
  }
else
  replica=$(cli --user probe --pass - role | sed -n 3p)
  [ -n "$replica" ] || exit 0
  as_internal 'CLUSTER FAILOVER' "-h $replica -p 6379" | grep -q '^OK$' || exit 0
fi
wait_for_successor 15
`

// sentinelStartScript gives a Sentinel a file that it can write to: what it has learnt must outlive its process. Only the first start
// makes it.
const sentinelStartScript = `set -eu
umask 077
if [ ! -s /data/sentinel.conf ]; then
  cat /chatcluster/config/common.conf "/chatcluster/config/$POD_NAME.conf" /chatcluster/auth/sentinel-peers.conf >/data/new.conf
  mv /data/new.conf /data/sentinel.conf
fi
exec redis-sentinel /data/sentinel.conf
`
