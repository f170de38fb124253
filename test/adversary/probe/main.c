// probe key=value… case…   Runs each case in a child of its own and prints one JSON line a case:
//   {"case":"…","result":"blocked|succeeded|unsupported","errno":"EACCES","detail":"…"}
#include "probe.h"
#include <signal.h>
#include <stdarg.h>
#include <sys/wait.h>

#define USUAL_SECONDS 20

static int arguments_count;
static char **arguments;
static const char *current = "";

const char *case_name(void) { return current; }

static const char *find(const char *key) {
  size_t length = strlen(key);
  for (int i = 1; i < arguments_count; i++)
    if (strncmp(arguments[i], key, length) == 0 && arguments[i][length] == '=') return arguments[i] + length + 1;
  return NULL;
}

const char *arg(const char *key) {
  const char *value = find(key);
  if (value) return value;
  fprintf(stderr, "probe: the argument %s=… is missing\n", key);
  _exit(2);
}

long number(const char *key, long otherwise) {
  const char *value = find(key);
  return value ? atol(value) : otherwise;
}

char *join(const char *directory, const char *name) {
  char *path = NULL;
  if (asprintf(&path, "%s/%s", directory, name) < 0) _exit(2);
  return path;
}

char *outside(const char *name) { return join(join(arg("outside"), current), name); }
char *secret(void) {
  char *path = NULL;
  if (asprintf(&path, "%s/%s.id_rsa", arg("vault"), current) < 0) _exit(2);
  return path;
}
char *scratch(const char *name) { return join(join(arg("ws"), current), name); }
char *inside(const char *name) { return join(arg("ws"), name); }

static struct outcome say(enum result result, int err, const char *format, va_list values) {
  struct outcome outcome = {.result = result, .err = err};
  vsnprintf(outcome.detail, sizeof outcome.detail, format, values);
  return outcome;
}

#define SAY(name, result, err, ...)                                                                                    \
  struct outcome name(__VA_ARGS__ const char *format, ...) {                                                           \
    va_list values;                                                                                                    \
    va_start(values, format);                                                                                          \
    struct outcome outcome = say(result, err, format, values);                                                         \
    va_end(values);                                                                                                    \
    return outcome;                                                                                                    \
  }
#define COMMA ,
SAY(blocked, BLOCKED, err, int err COMMA)
SAY(unsupported, UNSUPPORTED, err, int err COMMA)
SAY(succeeded, SUCCEEDED, 0, )

struct outcome from(long returned) {
  if (returned < 0) return blocked(errno, "refused");
  return succeeded("returned %ld", returned);
}

struct outcome read_canary(int fd) {
  if (fd < 0) return blocked(errno, "open refused");
  char text[8192] = {0};
  ssize_t got = read(fd, text, sizeof text - 1);
  int err = errno;
  close(fd);
  if (got < 0) return blocked(err, "read refused");
  char *found = memmem(text, (size_t)got, CANARY, strlen(CANARY));
  if (found) return succeeded("read %.200s", found);
  return blocked(0, "opened, but %zd bytes without the canary", got);
}

struct outcome write_mark(int fd) {
  if (fd < 0) return blocked(errno, "open refused");
  ssize_t put = write(fd, MARK, strlen(MARK));
  int err = errno;
  close(fd);
  if (put < 0) return blocked(err, "write refused");
  return succeeded("wrote %zd bytes", put);
}

int make_file(const char *path, const char *text) {
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) return -1;
  ssize_t put = write(fd, text, strlen(text));
  close(fd);
  return put < 0 ? -1 : 0;
}

int copy_file(const char *source, const char *target, mode_t mode) {
  int in = open(source, O_RDONLY | O_CLOEXEC), out = in < 0 ? -1 : open(target, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
  char block[65536];
  ssize_t got = 0;
  while (out >= 0 && (got = read(in, block, sizeof block)) > 0)
    if (write(out, block, (size_t)got) != got) got = -1, out = (close(out), -1);
  int failed = in < 0 || out < 0 || got < 0 ? errno : 0;
  if (in >= 0) close(in);
  if (out >= 0) close(out);
  errno = failed;
  return failed ? -1 : 0;
}

struct outcome run_program(char *const argv[], const char *mark) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) < 0) return blocked(errno, "pipe refused");
  pid_t child = fork();
  if (child < 0) return blocked(errno, "fork refused");
  if (child == 0) {
    dup2(ends[1], 1), dup2(ends[1], 2);
    execv(argv[0], argv);
    dprintf(1, "exec: %s", strerrorname_np(errno));
    _exit(errno == ENOENT ? 127 : 126);
  }
  close(ends[1]);
  char text[512] = {0};
  size_t length = 0;
  ssize_t got;
  while (length < sizeof text - 1 && (got = read(ends[0], text + length, sizeof text - 1 - length)) > 0) length += (size_t)got;
  int status = 0;
  waitpid(child, &status, 0);
  if (strstr(text, mark)) return succeeded("output: %s", text);
  return blocked(0, "status %d, output: %s", WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), text);
}

static void print_text(const char *text) {
  for (; *text; text++) {
    unsigned char c = (unsigned char)*text;
    if (c == '"' || c == '\\') printf("\\%c", c);
    else if (c < 0x20 || c >= 0x7f) printf("\\u%04x", c);
    else putchar(c);
  }
}

static void print_outcome(const char *name, const struct outcome *outcome) {
  static const char *const words[] = {"blocked", "succeeded", "unsupported"};
  const char *err = outcome->err ? strerrorname_np(outcome->err) : NULL;
  printf("{\"case\":\"%s\",\"result\":\"%s\",\"errno\":\"%s\",\"detail\":\"", name, words[outcome->result], err ? err : "");
  print_text(outcome->detail);
  printf("\"}\n");
  fflush(stdout);
}

// A case that is killed or hangs was stopped: blocked, with the signal as its detail.
static struct outcome run_case(const struct probe_case *probe) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) < 0) return unsupported(errno, "pipe");
  pid_t child = fork();
  if (child < 0) return unsupported(errno, "fork");
  if (child == 0) {
    alarm(probe->seconds ? probe->seconds : USUAL_SECONDS);
    errno = 0;
    struct outcome outcome = probe->run();
    if (write(ends[1], &outcome, sizeof outcome) != sizeof outcome) _exit(3);
    _exit(0);
  }
  close(ends[1]);
  struct outcome outcome;
  ssize_t got = read(ends[0], &outcome, sizeof outcome);
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  if (got == sizeof outcome) return outcome;
  if (WIFSIGNALED(status)) {
    if (WTERMSIG(status) == SIGALRM) return unsupported(0, "did not end in time");
    return blocked(0, "killed by %s", strsignal(WTERMSIG(status)));
  }
  return unsupported(0, "ended with status %d and said nothing", WEXITSTATUS(status));
}

static const struct probe_case *const tables[] = {file_cases,   link_cases,    process_cases, exec_cases,   kernel_cases,
                                                  socket_cases, network_cases, race_cases,    takeover_cases};

static const struct probe_case *lookup(const char *name) {
  for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
    for (const struct probe_case *probe = tables[i]; probe->name; probe++)
      if (strcmp(probe->name, name) == 0) return probe;
  return NULL;
}

int forbidden_main(void);
int echo_main(int argc, char **argv);
int who_main(void);

int main(int argc, char **argv) {
  // The same image plays the program under a `never` exec rule, and the one that tells its argv.
  const char *self = strrchr(argv[0], '/');
  self = self ? self + 1 : argv[0];
  if (argc > 1 && strcmp(argv[1], "--who") == 0) return who_main();
  if (strstr(self, "forbidden") || (argc > 1 && strcmp(argv[1], "--forbidden") == 0)) return forbidden_main();
  if (argc > 1 && strcmp(argv[1], "--echo") == 0) return echo_main(argc, argv);
  arguments_count = argc, arguments = argv;
  signal(SIGPIPE, SIG_IGN);
  for (int i = 1; i < argc; i++) {
    if (strchr(argv[i], '=')) continue;
    const struct probe_case *probe = lookup(argv[i]);
    current = argv[i];
    struct outcome outcome = probe ? run_case(probe) : unsupported(0, "there is no such case");
    print_outcome(argv[i], &outcome);
  }
  return 0;
}
