// listen stream:PATH dgram:PATH stream:@NAME dgram:@NAME tcp:ADDRESS:PORT udp:ADDRESS:PORT …
// Outside the sandbox: prints one line `<place> <what was received>` for everything that arrives, `ready` first, and
// `accepted <place>` for a connection; of a TCP connection, the place names the address that was connected to. A stream
// that sent something is answered with an HTTP response.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct place {
  int fd, stream, listening;
  const char *name;
};

#define ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nUPSTREAM SAYS"

static int open_unix(const char *text, int type) {
  struct sockaddr_un name = {.sun_family = AF_UNIX};
  socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(text));
  memcpy(name.sun_path, text, strlen(text));
  if (text[0] == '@') name.sun_path[0] = 0;
  else unlink(text), length++;
  int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
  return bind(fd, (struct sockaddr *)&name, length) < 0 ? -1 : fd;
}

static int open_inet(const char *text, int type) {
  char host[64];
  const char *colon = strrchr(text, ':');
  snprintf(host, sizeof host, "%.*s", (int)(colon - text), text);
  struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(colon + 1))};
  struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = v4.sin_port};
  int is4 = inet_pton(AF_INET, host, &v4.sin_addr) == 1;
  if (!is4 && inet_pton(AF_INET6, host, &v6.sin6_addr) != 1) return -1;
  int fd = socket(is4 ? AF_INET : AF_INET6, type | SOCK_CLOEXEC, 0), on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (!is4) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  return bind(fd, is4 ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6, is4 ? sizeof v4 : sizeof v6) < 0 ? -1 : fd;
}

static int open_place(const char *text, struct place *place) {
  place->name = text;
  if (strncmp(text, "stream:", 7) == 0) place->fd = open_unix(text + 7, SOCK_STREAM), place->stream = 1;
  else if (strncmp(text, "dgram:", 6) == 0) place->fd = open_unix(text + 6, SOCK_DGRAM);
  else if (strncmp(text, "tcp:", 4) == 0) place->fd = open_inet(text + 4, SOCK_STREAM), place->stream = 1;
  else if (strncmp(text, "udp:", 4) == 0) place->fd = open_inet(text + 4, SOCK_DGRAM);
  else return -1;
  place->listening = place->stream;
  return place->fd < 0 || (place->stream && listen(place->fd, 128) < 0) ? -1 : 0;
}

static void print(const char *name, const char *text, ssize_t length) {
  printf("%s ", name);
  for (ssize_t i = 0; i < length; i++) putchar(text[i] >= 0x20 && text[i] < 0x7f ? text[i] : '.');
  putchar('\n');
}

// tcp:<address that the peer connected to>:<port>; other sockets keep the name of their listener.
static const char *accepted_name(int fd, const char *otherwise) {
  struct sockaddr_storage here;
  socklen_t length = sizeof here;
  char text[64], *name = NULL;
  if (getsockname(fd, (struct sockaddr *)&here, &length) < 0 || here.ss_family == AF_UNIX) return otherwise;
  struct sockaddr_in *v4 = (struct sockaddr_in *)&here;
  struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&here;
  int is4 = here.ss_family == AF_INET;
  inet_ntop(here.ss_family, is4 ? (void *)&v4->sin_addr : (void *)&v6->sin6_addr, text, sizeof text);
  return asprintf(&name, "tcp:%s:%d", text, ntohs(is4 ? v4->sin_port : v6->sin6_port)) < 0 ? otherwise : name;
}

int main(int argc, char **argv) {
  static struct place places[1024];
  static struct pollfd polled[1024];
  int count = 0;
  setvbuf(stdout, NULL, _IOLBF, 0);
  for (int i = 1; i < argc; i++)
    if (open_place(argv[i], &places[count++]) < 0) {
      fprintf(stderr, "listen: %s: %s\n", argv[i], strerror(errno));
      return 1;
    }
  printf("ready\n");
  for (;;) {
    for (int i = 0; i < count; i++) polled[i] = (struct pollfd){places[i].fd, POLLIN, 0};
    if (poll(polled, (nfds_t)count, -1) < 0) return 1;
    for (int i = count - 1; i >= 0; i--) {
      if (!polled[i].revents) continue;
      if (places[i].listening) {
        int fd = accept(places[i].fd, NULL, NULL);
        if (fd < 0 || count == 1024) continue;
        const char *name = accepted_name(fd, places[i].name);
        places[count++] = (struct place){fd, 1, 0, name};
        printf("accepted %s\n", name);
        continue;
      }
      char text[4096];
      ssize_t got = recv(places[i].fd, text, sizeof text, 0);
      if (got > 0) print(places[i].name, text, got);
      if (got > 0 && places[i].stream) send(places[i].fd, ANSWER, strlen(ANSWER), MSG_NOSIGNAL);
      if (got <= 0 && places[i].stream) close(places[i].fd), places[i] = places[--count];
    }
  }
}
