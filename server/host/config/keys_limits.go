package config

// most is the highest limit of what is counted: nobody who writes more means a limit.
const most = 1_000_000

func (c *Config) limitKeys() []Key {
	const group = "Limits"
	return []Key{
		{
			Name: "MaximumConnections", Group: group, Default: "0", Value: Count(&c.MaximumConnections, 0, 10*most),
			Description: "How many connections the server has at most; 0 is any number. Who comes then gets status 503. A client with stateful reconnect may always come back.",
		},
		{
			Name: "MaximumNegotiationsPerMinute", Group: group, Default: "0", Value: Count(&c.MaximumNegotiationsPerMinute, 0, most),
			Description: "How many connections one client address may begin; 0 is any number. Behind a proxy set TrustedProxies, or all clients are one.",
		},
		{
			Name: "MaximumMessagesPerSecond", Group: group, Default: "0", Value: Count(&c.MaximumMessagesPerSecond, 0, most),
			Description: "How many messages one client may send on average, pings included; 0 is any number. More end its connection with an error that says so.",
		},
		{
			Name: "MessageBurst", Group: group, Default: "0", Value: Count(&c.MessageBurst, 0, 100*most),
			Description: "How many messages a client that was quiet may send at once; 0 is what it may send in 15 s.",
		},
		{
			Name: "MaximumStreamsPerClient", Group: group, Default: "1000", Value: Count(&c.MaximumStreamsPerClient, 1, most),
			Description: "How many streams one client may have open, either way. A call that would open more fails.",
		},
	}
}
