// Sockets that lead out of the sandbox without a network: unix sockets of the host, and other families.
// Each sends the case's name, so that the harness's listener can tell who got through.
#include "probe.h"
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <linux/vm_sockets.h>
#include <net/ethernet.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#define CASE(name) static struct outcome name(void)

struct unix_address {
  struct sockaddr_un name;
  socklen_t length;
};

static struct unix_address pathname(const char *path) {
  struct unix_address address = {.name = {.sun_family = AF_UNIX}};
  if (strlen(path) >= sizeof address.name.sun_path) {
    fprintf(stderr, "probe: %s does not fit in a socket address\n", path);
    _exit(2);
  }
  strcpy(address.name.sun_path, path);
  address.length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path) + 1);
  return address;
}
static struct unix_address abstract(const char *name) {
  struct unix_address address = {.name = {.sun_family = AF_UNIX}};
  memcpy(address.name.sun_path + 1, name, strlen(name));
  address.length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name));
  return address;
}
static struct unix_address stream_path(void) { return pathname(join(arg("sockets"), "stream")); }
static struct unix_address dgram_path(void) { return pathname(join(arg("sockets"), "dgram")); }
static struct unix_address stream_name(void) { return abstract(join(arg("abstract"), "stream")); }
static struct unix_address dgram_name(void) { return abstract(join(arg("abstract"), "dgram")); }

static struct outcome by_connect(int type, struct unix_address to) {
  int fd = socket(AF_UNIX, type, 0);
  if (fd < 0) return blocked(errno, "socket refused");
  if (connect(fd, (struct sockaddr *)&to.name, to.length) < 0) return blocked(errno, "connect refused");
  return from(send(fd, case_name(), strlen(case_name()), 0));
}
static struct outcome by_sendto(struct unix_address to) {
  int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
  return from(sendto(fd, case_name(), strlen(case_name()), 0, (struct sockaddr *)&to.name, to.length));
}
static struct msghdr message_to(struct unix_address *to, struct iovec *part) {
  part->iov_base = (void *)case_name(), part->iov_len = strlen(case_name());
  return (struct msghdr){.msg_name = &to->name, .msg_namelen = to->length, .msg_iov = part, .msg_iovlen = 1};
}
static struct outcome by_sendmsg(struct unix_address to) {
  struct iovec part;
  struct msghdr message = message_to(&to, &part);
  return from(sendmsg(socket(AF_UNIX, SOCK_DGRAM, 0), &message, 0));
}
static struct outcome by_sendmmsg(struct unix_address to) {
  struct iovec part;
  struct mmsghdr message = {.msg_hdr = message_to(&to, &part)};
  return from(sendmmsg(socket(AF_UNIX, SOCK_DGRAM, 0), &message, 1, 0));
}

CASE(path_stream) { return by_connect(SOCK_STREAM, stream_path()); }
CASE(path_stream_symlink) {
  if (symlink(stream_path().name.sun_path, scratch("link")) < 0) return blocked(errno, "symlink refused");
  if (chdir(scratch("")) < 0) return unsupported(errno, "chdir");
  return by_connect(SOCK_STREAM, pathname("link"));
}
CASE(path_stream_proc_root) { return by_connect(SOCK_STREAM, pathname(join("/proc/self/root", stream_path().name.sun_path + 1))); }
CASE(path_stream_o_path) {
  int fd = open(stream_path().name.sun_path, O_PATH);
  if (fd < 0) return blocked(errno, "O_PATH refused");
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  return by_connect(SOCK_STREAM, pathname(path));
}
CASE(path_stream_link) {
  if (link(stream_path().name.sun_path, scratch("hard")) < 0) return blocked(errno, "link refused");
  if (chdir(scratch("")) < 0) return unsupported(errno, "chdir");
  return by_connect(SOCK_STREAM, pathname("hard"));
}
CASE(path_dgram_connect) { return by_connect(SOCK_DGRAM, dgram_path()); }
CASE(path_dgram_sendto) { return by_sendto(dgram_path()); }
CASE(path_dgram_sendmsg) { return by_sendmsg(dgram_path()); }
CASE(path_dgram_sendmmsg) { return by_sendmmsg(dgram_path()); }
CASE(abstract_stream) { return by_connect(SOCK_STREAM, stream_name()); }
CASE(abstract_dgram_connect) { return by_connect(SOCK_DGRAM, dgram_name()); }
CASE(abstract_dgram_sendto) { return by_sendto(dgram_name()); }
CASE(abstract_dgram_sendmsg) { return by_sendmsg(dgram_name()); }
CASE(abstract_dgram_sendmmsg) { return by_sendmmsg(dgram_name()); }
// A host process listens on a socket inside the workspace.
CASE(workspace_host_stream) {
  if (chdir(arg("ws")) < 0) return unsupported(errno, "chdir");
  return by_connect(SOCK_STREAM, pathname("host.sock"));
}

// unix(7) does not say it: SOCK_RAW is SOCK_DGRAM. And one end of a pair can send to any name.
CASE(raw_type) { return from(socket(AF_UNIX, SOCK_RAW, 0)); }
CASE(pair_sendto) {
  int ends[2];
  struct unix_address to = dgram_path();
  if (socketpair(AF_UNIX, SOCK_DGRAM, 0, ends) < 0) return blocked(errno, "socketpair refused");
  return from(sendto(ends[0], case_name(), strlen(case_name()), 0, (struct sockaddr *)&to.name, to.length));
}
CASE(docker_socket) { return by_connect(SOCK_STREAM, pathname("/var/run/docker.sock")); }
CASE(dbus_system) { return by_connect(SOCK_STREAM, pathname("/run/dbus/system_bus_socket")); }
CASE(dbus_session) {
  char path[64];
  snprintf(path, sizeof path, "/run/user/%d/bus", getuid());
  return by_connect(SOCK_STREAM, pathname(path));
}
CASE(systemd_private) {
  char path[64];
  snprintf(path, sizeof path, "/run/user/%d/systemd/private", getuid());
  return by_connect(SOCK_STREAM, pathname(path));
}
CASE(systemd_run) {
  char *const argv[] = {"/usr/bin/systemd-run", "--user", "--wait", "--pipe", "/bin/echo", "SYSTEMD RAN", NULL};
  return run_program(argv, "SYSTEMD RAN");
}
// A tmux server of the same user on the host; the socket's name is the argument `tmux`.
CASE(tmux_host) {
  char *command = NULL;
  if (asprintf(&command, "echo " MARK " > %s", outside("created")) < 0) _exit(2);
  char *const argv[] = {"/usr/bin/tmux", "-S", (char *)arg("tmux"), "run-shell", command, NULL};
  struct outcome outcome = run_program(argv, "no text of tmux");
  usleep(200000);
  struct stat about;
  return stat(outside("created"), &about) == 0 ? succeeded("the host's tmux ran a command") : outcome;
}
CASE(admin_socket) { return by_connect(SOCK_STREAM, pathname(join(arg("rundir"), "admin.sock"))); }
CASE(supervisor_socket) { return by_connect(SOCK_STREAM, pathname(join(arg("rundir"), "supervisor.sock"))); }

// --- other families
static struct outcome family(int domain, int type, int protocol) { return from(socket(domain, type, protocol)); }
CASE(vsock) { return family(AF_VSOCK, SOCK_STREAM, 0); }
CASE(af_alg) { return family(AF_ALG, SOCK_SEQPACKET, 0); }
CASE(netlink_audit) { return family(AF_NETLINK, SOCK_RAW, NETLINK_AUDIT); }
CASE(netlink_uevent) { return family(AF_NETLINK, SOCK_RAW, NETLINK_KOBJECT_UEVENT); }
CASE(netlink_netfilter) { return family(AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER); }
CASE(netlink_generic) { return family(AF_NETLINK, SOCK_RAW, NETLINK_GENERIC); }
CASE(netlink_connector) { return family(AF_NETLINK, SOCK_DGRAM, NETLINK_CONNECTOR); }
CASE(netlink_sock_diag) { return family(AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG); }
#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif
CASE(mptcp) { return family(AF_INET, SOCK_STREAM, IPPROTO_MPTCP); }
CASE(mptcp6) { return family(AF_INET6, SOCK_STREAM, IPPROTO_MPTCP); }
CASE(sctp) { return family(AF_INET, SOCK_STREAM, IPPROTO_SCTP); }
CASE(udplite) { return family(AF_INET, SOCK_DGRAM, 136); }
CASE(raw_icmp) { return family(AF_INET, SOCK_RAW, IPPROTO_ICMP); }
CASE(ping_socket) { return family(AF_INET, SOCK_DGRAM, IPPROTO_ICMP); }
CASE(raw_ipv6) { return family(AF_INET6, SOCK_RAW, IPPROTO_RAW); }
CASE(packet) { return family(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL)); }
CASE(packet_legacy) { return family(AF_INET, 10 /* SOCK_PACKET */, htons(ETH_P_ALL)); }
CASE(xdp) { return family(44, SOCK_RAW, 0); }
CASE(bluetooth) { return family(AF_BLUETOOTH, SOCK_RAW, 1); }
CASE(can_bus) { return family(AF_CAN, SOCK_RAW, 1); }
CASE(rds) { return family(AF_RDS, SOCK_SEQPACKET, 0); }
CASE(tipc) { return family(AF_TIPC, SOCK_STREAM, 0); }
CASE(smc) { return family(43, SOCK_STREAM, 0); }
CASE(kcm) { return family(AF_KCM, SOCK_DGRAM, 0); }
CASE(high_bits_family) {
  // The kernel takes the low 32 bits of the family: a filter that compares 64 bits misses this.
  return from(syscall(SYS_socket, 0x100000000UL | AF_VSOCK, SOCK_STREAM, 0));
}
CASE(socketpair_vsock) {
  int ends[2];
  return from(socketpair(AF_TIPC, SOCK_STREAM, 0, ends));
}

// A last name as long as a socket address can hold, which the mediator must not make longer.
CASE(long_name) {
  if (chdir(scratch("")) < 0) return unsupported(errno, "chdir");
  char name[108];
  memset(name, 'n', 107), name[107] = 0;
  struct unix_address to = pathname(name);
  int listener = socket(AF_UNIX, SOCK_STREAM, 0), fd = socket(AF_UNIX, SOCK_STREAM, 0);
  if (bind(listener, (struct sockaddr *)&to.name, to.length) < 0) return blocked(errno, "bind refused");
  listen(listener, 1);
  return from(connect(fd, (struct sockaddr *)&to.name, to.length));
}
CASE(send_timeout) {
  struct unix_address to = pathname("/tmp/send-timeout.sock");
  int listener = socket(AF_UNIX, SOCK_STREAM, 0), fd = socket(AF_UNIX, SOCK_STREAM, 0);
  struct timeval wanted = {7, 200000}, kept = {0, 0};
  socklen_t size = sizeof kept;
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wanted, sizeof wanted);
  unlink("/tmp/send-timeout.sock");
  if (bind(listener, (struct sockaddr *)&to.name, to.length) < 0) return blocked(errno, "bind refused");
  listen(listener, 1);
  if (connect(fd, (struct sockaddr *)&to.name, to.length) < 0) return blocked(errno, "connect refused");
  getsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &kept, &size);
  unlink("/tmp/send-timeout.sock");
  return kept.tv_sec == wanted.tv_sec ? succeeded("kept") : blocked(0, "%ld seconds are left", (long)kept.tv_sec);
}

#define ROW(name, function) {name, function, 0}
const struct probe_case socket_cases[] = {
    ROW("unix-stream-pathname", path_stream),
    ROW("unix-stream-symlink", path_stream_symlink),
    ROW("unix-stream-proc-self-root", path_stream_proc_root),
    ROW("unix-stream-o-path", path_stream_o_path),
    ROW("unix-stream-hard-link", path_stream_link),
    ROW("unix-dgram-connect", path_dgram_connect),
    ROW("unix-dgram-sendto", path_dgram_sendto),
    ROW("unix-dgram-sendmsg", path_dgram_sendmsg),
    ROW("unix-dgram-sendmmsg", path_dgram_sendmmsg),
    ROW("abstract-stream", abstract_stream),
    ROW("abstract-dgram-connect", abstract_dgram_connect),
    ROW("abstract-dgram-sendto", abstract_dgram_sendto),
    ROW("abstract-dgram-sendmsg", abstract_dgram_sendmsg),
    ROW("abstract-dgram-sendmmsg", abstract_dgram_sendmmsg),
    ROW("unix-workspace-host", workspace_host_stream),
    ROW("unix-long-name", long_name),
    ROW("send-timeout", send_timeout),
    ROW("unix-raw-type", raw_type),
    ROW("unix-socketpair-sendto", pair_sendto),
    ROW("docker-socket", docker_socket),
    ROW("dbus-system", dbus_system),
    ROW("dbus-session", dbus_session),
    ROW("systemd-private", systemd_private),
    ROW("systemd-run", systemd_run),
    ROW("tmux-host", tmux_host),
    ROW("admin-socket", admin_socket),
    ROW("supervisor-socket", supervisor_socket),
    ROW("vsock", vsock),
    ROW("af-alg", af_alg),
    ROW("netlink-audit", netlink_audit),
    ROW("netlink-uevent", netlink_uevent),
    ROW("netlink-netfilter", netlink_netfilter),
    ROW("netlink-generic", netlink_generic),
    ROW("netlink-connector", netlink_connector),
    ROW("netlink-sock-diag", netlink_sock_diag),
    ROW("mptcp", mptcp),
    ROW("mptcp-ipv6", mptcp6),
    ROW("sctp", sctp),
    ROW("udplite", udplite),
    ROW("raw-icmp", raw_icmp),
    ROW("ping-socket", ping_socket),
    ROW("raw-ipv6", raw_ipv6),
    ROW("packet", packet),
    ROW("packet-legacy", packet_legacy),
    ROW("xdp", xdp),
    ROW("bluetooth", bluetooth),
    ROW("can", can_bus),
    ROW("rds", rds),
    ROW("tipc", tipc),
    ROW("smc", smc),
    ROW("kcm", kcm),
    ROW("socket-family-high-bits", high_bits_family),
    ROW("socketpair-tipc", socketpair_vsock),
    ROW(NULL, NULL),
};
