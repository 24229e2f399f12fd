// Package suite asks a hub server what the SignalR protocol says it must answer. It speaks the wire by hand, so that no
// client's leniency hides a mistake, and asks any server that serves the conformance hub: the one beside it and, where it
// is installed, the ASP.NET Core server that both are modelled on.
//
//	go test ./server/cmd/conformance/suite                                 # both servers
//	go test ./server/cmd/conformance/suite -run 'Conformance/ChatCluster'  # ours only
//	go test ./server/cmd/conformance/suite -run '///I17'                   # one row
//	REFERENCE=/path/to/run go test ./server/cmd/conformance/suite          # another reference
//
// REFERENCE names a program that serves on 127.0.0.1 at the port that is its argument, configured from the environment.
// The rows on the backplane need a redis-server.
package suite
