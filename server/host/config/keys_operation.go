package config

func (c *Config) redisKeys() []Key {
	const group = "Redis"
	connection := WithFile(Key{
		Name: "RedisConnection", Group: group, Value: redisConnection(&c.RedisConnection), Mask: maskConnection,
		Variables: []string{"REDIS_CONNECTION", "RedisConnection", "ConnectionStrings__Redis"},
		Aliases:   []string{"ConnectionStrings:Redis", "ConnectionStrings:RedisConnection"},
		Description: "Redis that connects this server with others: redis:6379,password=...,ssl=true as for StackExchange.Redis, with " +
			"several endpoints for a Cluster or replicas and serviceName for Sentinels, or a redis:// or rediss:// URL. Without it the server stands alone.",
	}, &c.RedisConnectionFile)
	password := WithFile(Key{
		Name: "RedisPassword", Group: group, Value: Text(&c.RedisPassword, nil).As("secret"), Secret: true,
		Variables:   []string{"REDIS_PASSWORD"},
		Description: "Password for Redis. It wins over the one in the connection string.",
	}, &c.RedisPasswordFile)
	return append(append(connection, password...),
		Key{
			Name: "RedisChannelPrefix", Group: group, Value: Text(&c.RedisChannelPrefix, nil),
			Variables:   []string{"REDIS_CHANNEL_PREFIX", "RedisChannelPrefix"},
			Description: "Put before every channel name, so that several applications can share one Redis. It wins over channelPrefix in the connection string.",
		},
		Key{
			Name: "RedisDefaultDatabase", Group: group, Value: database(&c.RedisDefaultDatabase),
			Variables:   []string{"REDIS_DEFAULT_DATABASE", "RedisDefaultDatabase"},
			Description: "Database for what is stored; channels know no databases. It wins over defaultDatabase in the connection string.",
		})
}

func (c *Config) clusterKeys() []Key {
	const group = "Cluster"
	current := WithFile(Key{
		Name: "ClusterKey", Group: group, Value: clusterKey(&c.ClusterKey), Secret: true,
		Description: "Secret of 32 bytes or more that all servers of a cluster share. Without it the first server puts one into Redis, where the others find it.",
	}, &c.ClusterKeyFile)
	previous := WithFile(Key{
		Name: "ClusterKeyPrevious", Group: group, Value: clusterKey(&c.ClusterKeyPrevious), Secret: true, FileOptional: true,
		Description: "Another key that is accepted while ClusterKey is exchanged: the next one until all servers know it, then the previous one. Its file may be missing.",
	}, &c.ClusterKeyPreviousFile)
	return append(append(current, previous...),
		Key{
			Name: "PeerAddress", Group: group, Value: HostPort(&c.PeerAddress),
			Description: "host:port where the other servers of this Redis reach this one, never clients. Without it port 9091 of PodIp or, outside of Kubernetes, " +
				"a free port of the address by which this server reaches Redis. Without Redis it is not served.",
		},
		Key{
			Name: "PodIp", Group: group, Value: IP(&c.PodIP), Variables: []string{"POD_IP"},
			Description: "Address of the pod that the server runs in, as Kubernetes tells it.",
		})
}

func (c *Config) operationKeys() []Key {
	const group = "Operation"
	return []Key{
		{
			Name: "MetricsAddress", Group: group, Value: HostPort(&c.MetricsAddress),
			Description: "host:port on which Prometheus finds /metrics. Not served unless set.",
		},
		{
			Name: "DrainDelay", Group: group, Default: "0s", Value: Duration(&c.DrainDelay, 0, day),
			Description: "How long a server that drains, and says that it is not ready, serves new clients still: until load balancers have noticed. " +
				"Unless it is 0, the server also waits for another one that takes its clients.",
		},
		{
			Name: "DrainPeriod", Group: group, Default: "0s", Value: Duration(&c.DrainPeriod, 0, day),
			Description: "How long it then takes to tell clients that cannot go on elsewhere to begin anew there, one after another at random; 0 is all at once.",
		},
		{
			Name: "DrainRate", Group: group, Default: "200", Value: Count(&c.DrainRate, 1, most),
			Description: "How many clients with stateful reconnect or by long polling it sends away per second, for each server that takes them; they go on there.",
		},
		{
			Name: "RebalanceRate", Group: group, Default: "50", Value: Count(&c.RebalanceRate, 0, most),
			Description: "How many clients with stateful reconnect or by long polling a server sends to others per second while it has more than 5 % and two connections above " +
				"its share and no server comes or goes; they go on there. 0 is none.",
		},
		{
			Name: "ShutdownTimeout", Group: group, Default: "20s", Value: Duration(&c.ShutdownTimeout, shortest, day),
			Variables:   []string{"ShutdownTimeout"},
			Description: "How long a server that was told to end may take, DrainDelay and DrainPeriod included. A quarter of it, 10 s at most, is for the end itself. What is not done by then is cut.",
		},
		{
			Name: "LogLevel", Group: group, Default: "info", Value: level(&c.LogLevel),
			Aliases:     []string{"Logging:LogLevel:Default"},
			Description: "Least severe level that is logged. The names of .NET are understood too.",
		},
		{
			Name: "LogFormat", Group: group, Default: "text", Value: Choice(&c.LogFormat, "text", "json"),
			Description: "How log lines are written, to standard error.",
		},
	}
}
