package v1alpha1

import corev1 "k8s.io/api/core/v1"

// HubSpec is about the hub servers: what runs, where, and how it treats
// clients.
//
// +kubebuilder:validation:XValidation:rule="!has(self.path) || !(self.path.lowerAscii() in ['/healthz', '/readyz'])",message="hub.path must not be /healthz or /readyz, in any case: there hub servers say how they are"
// +kubebuilder:validation:XValidation:rule="!has(self.pathBase) || !(self.pathBase.lowerAscii() in ['/healthz', '/readyz'])",message="hub.pathBase must not be /healthz or /readyz, in any case: there hub servers say how they are"
type HubSpec struct {
	// image is the image of the hub servers. Unset, the operator takes the one
	// of its own release when the cluster is made and keeps it: upgrading the
	// operator replaces no hub server. An image of your own works if its program
	// is made with the package server/host.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Image string `json:"image,omitempty"`

	// imagePullPolicy is when nodes pull the image.
	// +optional
	// +default="IfNotPresent"
	// +kubebuilder:validation:Enum=Always;IfNotPresent;Never
	ImagePullPolicy corev1.PullPolicy `json:"imagePullPolicy,omitempty"`

	// resources of the one container of a hub server. A hub server takes 18 MiB
	// and about 9 KiB for each idle client. With a memory limit, Go's own soft
	// limit is set to nine tenths of it.
	// +optional
	// +default={"requests":{"cpu":"100m","memory":"128Mi"},"limits":{"memory":"512Mi"}}
	Resources *corev1.ResourceRequirements `json:"resources,omitempty"`

	// scheduling is where hub servers may run.
	// +optional
	Scheduling Scheduling `json:"scheduling,omitempty,omitzero"`

	// podMetadata is added to the metadata of the pods.
	// +optional
	PodMetadata Metadata `json:"podMetadata,omitempty,omitzero"`

	// env are environment variables for the hub servers, for what has no field
	// here. They win over all that the operator sets.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=128
	Env []corev1.EnvVar `json:"env,omitempty"`

	// name is what hub servers call the chat hub in Redis (HubName). With
	// ASP.NET Core servers on the same Redis it is the full name of their hub's
	// class. Unset is the choice of the image: ChatHub in that of this project.
	// Leave it unset for an image of your own that does not know the key.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[^:\s]+$`
	Name string `json:"name,omitempty"`

	// path is where clients connect to the chat hub (HubPath). Unset is the
	// choice of the image: /chatHub in that of this project. Leave it unset for
	// an image of your own that does not know the key.
	// +optional
	// +kubebuilder:validation:MinLength=2
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^(/[-._~a-zA-Z0-9]+)+$`
	Path string `json:"path,omitempty"`

	// page serves the chat page at the root of all addresses (Page). Unset is
	// the choice of the image: no page in that of this project. Leave it unset
	// for an image of your own that does not know the key.
	// +optional
	Page *bool `json:"page,omitempty"`

	// pathBase is a path that everything is also served under, for a proxy that
	// does not take it off (PathBase).
	// +optional
	// +kubebuilder:validation:MinLength=2
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^(/[-._~a-zA-Z0-9]+)+$`
	PathBase string `json:"pathBase,omitempty"`

	// corsOrigins are the web origins whose pages may use the hubs, with
	// credentials (CorsOrigins): scheme, host and port, no wildcards. The origin
	// of the hub servers themselves is always allowed.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=253
	// +kubebuilder:validation:items:Pattern=`^https?://[-.a-zA-Z0-9]+(:[0-9]+)?$`
	CORSOrigins []string `json:"corsOrigins,omitempty"`

	// trustedProxies are the addresses and networks, such as 10.0.0.0/8, whose
	// X-Forwarded headers are believed (TrustedProxies). Without them all clients
	// behind an ingress have its address.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=64
	// +kubebuilder:validation:items:XValidation:rule="isCIDR(self) || isIP(self)",message="hub.trustedProxies has IP addresses and networks such as 10.0.0.0/8, and IPv4 addresses not in the form of IPv6 ones"
	TrustedProxies []string `json:"trustedProxies,omitempty"`

	// authentication is about who the clients are. Without it nobody is asked.
	// +optional
	Authentication *AuthenticationSpec `json:"authentication,omitempty"`

	// transports are those that clients may use (Transports).
	// +optional
	// +default=["WebSockets","ServerSentEvents","LongPolling"]
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=3
	Transports []Transport `json:"transports,omitempty"`

	// detailedErrors sends the text of errors in hub methods to clients
	// (EnableDetailedErrors). It may tell them more than they should know.
	// +optional
	// +default=false
	DetailedErrors *bool `json:"detailedErrors,omitempty"`

	// statefulReconnects lets clients that ask for it go on after a lost socket
	// without losing a message (AllowStatefulReconnects).
	// +optional
	// +default=true
	StatefulReconnects *bool `json:"statefulReconnects,omitempty"`

	// timeouts are how long hub servers wait for clients.
	// +optional
	// +default={}
	Timeouts HubTimeouts `json:"timeouts,omitempty,omitzero"`

	// limits are how much a client may take.
	// +optional
	// +default={}
	Limits HubLimits `json:"limits,omitempty,omitzero"`
}

// AuthenticationSpec is about who the clients are: they show JSON Web
// Tokens.
type AuthenticationSpec struct {
	// key is the value of a Secret that the tokens are checked with (JwtKey): a
	// secret of 32 bytes or more for HS256, several of them a line each, or
	// public keys in PEM for RS256 and ES256. Hub servers take up a change
	// without a restart.
	// +required
	Key SecretKey `json:"key,omitempty,omitzero"`

	// required turns clients without a valid token away (RequireAuthentication).
	// If it is false they are anonymous.
	// +optional
	// +default=true
	Required *bool `json:"required,omitempty"`

	// issuer is what tokens must name as theirs (JwtIssuer). Unset is any.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Issuer string `json:"issuer,omitempty"`

	// audiences are those of which tokens must name one (JwtAudiences). None is
	// any. They have neither spaces nor commas nor semicolons.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=253
	// +kubebuilder:validation:items:Pattern=`^[^,;\s]+$`
	Audiences []string `json:"audiences,omitempty"`

	// userClaim is the claim that names the user, and that every token must have
	// (JwtUserClaim). Unset it is sub, nameid or .NET's name identifier, and a
	// token may have none.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	UserClaim string `json:"userClaim,omitempty"`

	// clockSkewSeconds is how far the clock of who makes the tokens may be off
	// (JwtClockSkew).
	// +optional
	// +default=30
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=3600
	ClockSkewSeconds *int32 `json:"clockSkewSeconds,omitempty"`
}

// Transport is a way in which clients connect.
//
// +kubebuilder:validation:Enum=WebSockets;ServerSentEvents;LongPolling
type Transport string

// The transports of SignalR.
const (
	WebSockets       Transport = "WebSockets"
	ServerSentEvents Transport = "ServerSentEvents"
	LongPolling      Transport = "LongPolling"
)

// HubTimeouts are how long hub servers wait for clients.
//
// +kubebuilder:validation:XValidation:rule="!has(self.clientSeconds) || self.clientSeconds > self.keepAliveSeconds",message="clientSeconds must be greater than keepAliveSeconds: clients ping as often as they are pinged"
type HubTimeouts struct {
	// handshakeSeconds is how long a new connection may take to send its
	// handshake (HandshakeTimeout).
	// +optional
	// +default=15
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=86400
	HandshakeSeconds int32 `json:"handshakeSeconds,omitempty"`

	// keepAliveSeconds is how often clients are pinged (KeepAliveInterval).
	// +optional
	// +default=15
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=86400
	KeepAliveSeconds int32 `json:"keepAliveSeconds,omitempty"`

	// clientSeconds is how long a client that pings may be silent before it is
	// given up (ClientTimeoutInterval).
	// +optional
	// +default=30
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=86400
	ClientSeconds int32 `json:"clientSeconds,omitempty"`

	// sendSeconds is how long a client may take nothing of what is sent to it
	// before it is dropped (TransportSendTimeout).
	// +optional
	// +default=10
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=86400
	SendSeconds int32 `json:"sendSeconds,omitempty"`

	// pollSeconds is how long a long poll waits for messages
	// (LongPollingPollTimeout): less than the idle timeout of proxies in
	// between.
	// +optional
	// +default=90
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=86400
	PollSeconds int32 `json:"pollSeconds,omitempty"`
}

// HubLimits are how much a client may take.
type HubLimits struct {
	// messageBytes is the size of the largest message that a client may send
	// (MaximumReceiveMessageSize).
	// +optional
	// +default=32768
	// +kubebuilder:validation:Minimum=64
	// +kubebuilder:validation:Maximum=1073741824
	MessageBytes int32 `json:"messageBytes,omitempty"`

	// outboundBufferBytes is how much may wait for one client that reads slowly
	// (OutboundBufferSize).
	// +optional
	// +default=1048576
	// +kubebuilder:validation:Minimum=4096
	// +kubebuilder:validation:Maximum=1073741824
	OutboundBufferBytes int32 `json:"outboundBufferBytes,omitempty"`

	// reconnectBufferBytes is how much is kept for a client with stateful
	// reconnects until it has acknowledged it (StatefulReconnectBufferSize).
	// +optional
	// +default=100000
	// +kubebuilder:validation:Minimum=1024
	// +kubebuilder:validation:Maximum=1073741824
	ReconnectBufferBytes int32 `json:"reconnectBufferBytes,omitempty"`

	// parallelInvocations is how many hub methods one client may have running
	// (MaximumParallelInvocationsPerClient).
	// +optional
	// +default=1
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000
	ParallelInvocations int32 `json:"parallelInvocations,omitempty"`

	// streamItems is how many items of a client's stream may wait for the hub
	// method that reads it (StreamBufferCapacity).
	// +optional
	// +default=10
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100000
	StreamItems int32 `json:"streamItems,omitempty"`

	// streams is how many streams one client may have open, either way
	// (MaximumStreamsPerClient).
	// +optional
	// +default=1000
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100000
	Streams int32 `json:"streams,omitempty"`

	// connections is how many clients one hub server takes (MaximumConnections);
	// 0 is any number. Who comes then is turned away.
	// +optional
	// +default=0
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=10000000
	Connections *int32 `json:"connections,omitempty"`

	// messagesPerSecond is how many messages one client may send on average,
	// pings included (MaximumMessagesPerSecond); 0 is any number.
	// +optional
	// +default=0
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000000
	MessagesPerSecond *int32 `json:"messagesPerSecond,omitempty"`

	// messageBurst is how many messages a client that was quiet may send at once
	// (MessageBurst); 0 is what it may send in 15 seconds.
	// +optional
	// +default=0
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000000
	MessageBurst *int32 `json:"messageBurst,omitempty"`

	// negotiationsPerMinute is how many connections one client address may begin
	// (MaximumNegotiationsPerMinute); 0 is any number. Behind an ingress set
	// hub.trustedProxies, or all clients are one.
	// +optional
	// +default=0
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000000
	NegotiationsPerMinute *int32 `json:"negotiationsPerMinute,omitempty"`
}
