package redis

import "strings"

// slotCount is the number of hash slots of a Redis Cluster.
const slotCount = 16384

// slotOf returns the hash slot of a key or sharded channel, by the Redis Cluster specification: CRC-16/XMODEM of what
// stands between the first brace and the next closing one, or of the whole name when nothing does.
func slotOf(name string) int {
	if _, behind, found := strings.Cut(name, "{"); found {
		if tag, _, closed := strings.Cut(behind, "}"); closed && tag != "" {
			name = tag
		}
	}
	const polynomial = 0x1021
	var sum uint16
	for i := range len(name) {
		sum ^= uint16(name[i]) << 8
		for range 8 {
			if carry := sum&0x8000 != 0; carry {
				sum = sum<<1 ^ polynomial
			} else {
				sum <<= 1
			}
		}
	}
	return int(sum % slotCount)
}
