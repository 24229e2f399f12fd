//go:build !unix

package transport

// newSource returns what reads from the client.
func (s *webSocket) newSource() byteSource { return &bufferedSource{conn: s.net} }
