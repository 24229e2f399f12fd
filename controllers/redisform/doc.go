// Package redisform decides how several Redis servers are formed into one that stays up, and kept so: one primary with
// replicas and Sentinels, or a Cluster. It is pure: it is given what was seen and what is wanted, and returns what to do.
// Package wire sees and does it.
package redisform
