// Races: a second thread changes what a call refers to while the call is judged. Rounds come from the command line.
#include "probe.h"
#include <arpa/inet.h>
#include <linux/fs.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define CASE(name) static struct outcome name(void)
#define RACE_SECONDS 150

static volatile int stop;
// The swap of a symlink, the oldest of these races, gets all the rounds; the others fewer.
static long rounds(void) {
  return strstr(case_name(), "symlink-swap") ? number("rounds", 20000) : number("fewer", 2500);
}

/** `denied`: of those refused, the ones that met the other end of the race, and not a name that is not there. */
struct tally {
  long leaked, opened, refused, denied;
};
static void count_refusal(struct tally *tally) {
  if (errno == EACCES || errno == EPERM) tally->denied++;
  tally->refused++;
}
static void count(struct tally *tally, int result) {
  if (result < 0) count_refusal(tally);
  else tally->opened++;
}
// On one busy core the other thread may hardly run: rounds go on until the other end was met once.
#define MOST_TIMES 4
static int more(long round, const struct tally *tally) {
  return round < rounds() || (round < MOST_TIMES * rounds() && tally->denied == 0 && tally->leaked == 0);
}
static struct outcome verdict(struct tally tally) {
  if (tally.leaked) return succeeded("%ld leaked, %ld opened, %ld refused", tally.leaked, tally.opened, tally.refused);
  return blocked(0, "0 leaked, %ld opened, %ld refused", tally.opened, tally.refused);
}
static void count_read(struct tally *tally, int fd) {
  count(tally, fd);
  struct outcome outcome = read_canary(fd);
  if (outcome.result == SUCCEEDED) tally->leaked++;
}
static void count_write(struct tally *tally, int fd) {
  count(tally, fd);
  if (fd < 0) return;
  if (write(fd, MARK, 5) < 0) tally->refused++;
  close(fd);
}

// --- the name on disk flips
struct pair {
  char *one, *other;
};
static void *exchange_forever(void *given) {
  struct pair *pair = given;
  while (!stop)
    if (syscall(SYS_renameat2, AT_FDCWD, pair->one, AT_FDCWD, pair->other, RENAME_EXCHANGE) < 0) sched_yield();
  return NULL;
}
static struct outcome while_exchanging(struct pair pair, struct tally (*work)(void)) {
  pthread_t thread;
  if (pthread_create(&thread, NULL, exchange_forever, &pair) != 0) return unsupported(errno, "no thread");
  struct tally tally = work();
  stop = 1;
  pthread_join(thread, NULL);
  return verdict(tally);
}
static struct tally read_rounds(void) {
  struct tally tally = {0};
  for (long i = 0; more(i, &tally); i++) count_read(&tally, open(scratch("name"), O_RDONLY | O_CLOEXEC));
  return tally;
}
static struct tally write_rounds(void) {
  struct tally tally = {0};
  for (long i = 0; more(i, &tally); i++) count_write(&tally, open(scratch("name"), O_WRONLY | O_APPEND | O_CLOEXEC));
  return tally;
}
static struct tally below_rounds(void) {
  struct tally tally = {0};
  for (long i = 0; more(i, &tally); i++) count_write(&tally, open(scratch("directory/victim"), O_WRONLY | O_APPEND | O_CLOEXEC));
  return tally;
}
static struct tally create_rounds(void) {
  struct tally tally = {0};
  for (long i = 0; more(i, &tally); i++) {
    count_write(&tally, open(scratch("directory/created"), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
    if (i % 8 == 0) unlink(scratch("directory/created"));
  }
  return tally;
}
static struct tally unlink_rounds(void) {
  struct tally tally = {0};
  for (long i = 0; more(i, &tally); i++) count(&tally, unlink(scratch("directory/victim")));
  return tally;
}
static struct tally rename_rounds(void) {
  struct tally tally = {0};
  for (long i = 0; more(i, &tally); i++) {
    if (i % 16 == 0) make_file(scratch("mine"), MARK);
    count(&tally, rename(scratch("mine"), scratch("directory/victim")));
  }
  return tally;
}
CASE(swap_read) {
  make_file(scratch("mine"), "mine");
  if (symlink(scratch("mine"), scratch("name")) < 0 || symlink(secret(), scratch("other")) < 0) return blocked(errno, "symlink refused");
  return while_exchanging((struct pair){scratch("name"), scratch("other")}, read_rounds);
}
CASE(swap_write) {
  make_file(scratch("mine"), "mine");
  if (symlink(scratch("mine"), scratch("name")) < 0 || symlink(outside("victim"), scratch("other")) < 0) return blocked(errno, "symlink refused");
  return while_exchanging((struct pair){scratch("name"), scratch("other")}, write_rounds);
}
static struct outcome with_directory(struct tally (*work)(void)) {
  if (mkdir(scratch("directory"), 0755) < 0) return unsupported(errno, "no directory of our own");
  make_file(scratch("directory/victim"), "mine");
  if (symlink(outside(""), scratch("other")) < 0) return blocked(errno, "symlink refused");
  return while_exchanging((struct pair){scratch("directory"), scratch("other")}, work);
}
CASE(swap_directory_write) { return with_directory(below_rounds); }
CASE(swap_directory_create) { return with_directory(create_rounds); }
CASE(swap_directory_unlink) { return with_directory(unlink_rounds); }
CASE(swap_directory_rename) { return with_directory(rename_rounds); }
// A regular file of ours and a hard link to the secret, exchanged: no symlink is involved.
CASE(swap_hard_link_read) {
  make_file(scratch("name"), "mine");
  return while_exchanging((struct pair){scratch("name"), scratch("pre-hard")}, read_rounds);
}

// --- the bytes in memory flip
static char *buffer;
struct texts {
  const char *one, *other;
};
// One byte decides between the two texts (they have equal length): a torn copy is one or the other.
static void *flip_forever(void *given) {
  struct texts *texts = given;
  size_t length = strlen(texts->one), at = 0;
  while (texts->one[at] == texts->other[at]) at++;
  strcpy(buffer, texts->one);
  (void)length;
  while (!stop) {
    memcpy(buffer + at, texts->other + at, length - at);
    memcpy(buffer + at, texts->one + at, length - at);
  }
  return NULL;
}
static struct outcome while_flipping(const char *one, const char *other, struct tally (*work)(void)) {
  if (strlen(one) != strlen(other)) return unsupported(0, "the two differ in length: %s %s", one, other);
  // At the very end of a page: a reader that asks for more than the string must not fail open.
  char *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  mprotect(pages + 4096, 4096, PROT_NONE);
  buffer = pages + 4096 - strlen(one) - 1;
  strcpy(buffer, one);
  struct texts texts = {one, other};
  pthread_t thread;
  if (pthread_create(&thread, NULL, flip_forever, &texts) != 0) return unsupported(errno, "no thread");
  struct tally tally = work();
  stop = 1;
  pthread_join(thread, NULL);
  return verdict(tally);
}
static struct tally flip_read_rounds(void) {
  struct tally tally = {0};
  for (long i = 0; more(i, &tally); i++) count_read(&tally, open(buffer, O_RDONLY | O_CLOEXEC));
  return tally;
}
static struct tally flip_write_rounds(void) {
  struct tally tally = {0};
  for (long i = 0; more(i, &tally); i++) count_write(&tally, open(buffer, O_WRONLY | O_APPEND | O_CLOEXEC));
  return tally;
}
static struct tally flip_unlink_rounds(void) {
  struct tally tally = {0};
  for (long i = 0; more(i, &tally); i++) {
    if (i % 16 == 0) make_file(scratch("victim"), "mine");
    count(&tally, unlink(buffer));
  }
  return tally;
}
// Relative to the base, names in the workspace and elsewhere are made equally long with slashes.
static char *padded(const char *directory, const char *separator, const char *name) {
  char *path = NULL;
  int slashes = 12 - (int)strlen(directory);
  if (asprintf(&path, "%s%.*s%s%s%s", directory, slashes, "////////////", case_name(), separator, name) < 0) _exit(2);
  return path;
}
CASE(flip_read) {
  make_file(scratch("id_rsa"), "mine");
  if (chdir(arg("base")) < 0) return unsupported(errno, "chdir");
  return while_flipping(padded("ws", "/", "id_rsa"), padded("vault", ".", "id_rsa"), flip_read_rounds);
}
CASE(flip_write) {
  make_file(scratch("victim"), "mine");
  if (chdir(arg("base")) < 0) return unsupported(errno, "chdir");
  return while_flipping(padded("ws", "/", "victim"), padded("outside", "/", "victim"), flip_write_rounds);
}
CASE(flip_unlink) {
  if (chdir(arg("base")) < 0) return unsupported(errno, "chdir");
  make_file(scratch("victim"), "mine");
  return while_flipping(padded("ws", "/", "victim"), padded("outside", "/", "victim"), flip_unlink_rounds);
}

// Named pipes are opened by the task itself: a judged one in the workspace, and one outside.
static struct tally flip_fifo_rounds(void) {
  struct tally tally = {0};
  for (long i = 0; more(i, &tally); i++) count_write(&tally, open(buffer, O_RDWR | O_NONBLOCK | O_CLOEXEC));
  return tally;
}
CASE(flip_fifo) {
  if (mkfifo(scratch("fifo"), 0600) < 0) return unsupported(errno, "no pipe of our own");
  if (chdir(arg("base")) < 0) return unsupported(errno, "chdir");
  return while_flipping(padded("ws", "/", "fifo"), padded("outside", "/", "fifo"), flip_fifo_rounds);
}

// --- exec: the child shares our memory (vfork), so that the flipping goes on while the kernel reads it
static long exec_rounds(void) { return number("execs", 1000); }
static int run_shared(char *const argv[], const char *path, int out) {
  pid_t child = vfork();
  if (child == 0) {
    dup2(out, 1);
    execv(path, argv);
    _exit(126);
  }
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) < 0) return -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}
static struct tally flip_exec_rounds(void) {
  struct tally tally = {0};
  char *const argv[] = {"innocent", "--who", NULL};
  for (long i = 0; i < exec_rounds() || (i < 4 * exec_rounds() && !tally.refused && !tally.leaked); i++) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0) break;
    int status = run_shared(argv, buffer, ends[1]);
    close(ends[1]);
    char text[128] = {0};
    if (read(ends[0], text, sizeof text - 1) > 0 && strstr(text, "FORBIDDEN RAN")) tally.leaked++;
    close(ends[0]);
    status == 126 ? tally.refused++ : tally.opened++;
  }
  return tally;
}
// <base>/bin/forbidder is permitted, and differs from <base>/bin/forbidden in one byte: no torn copy is a third name.
CASE(flip_exec) { return while_flipping(join(arg("base"), "bin/forbidder"), arg("forbidden"), flip_exec_rounds); }
CASE(swap_exec) {
  if (symlink(join(arg("base"), "bin/forbidder"), scratch("name")) < 0) return blocked(errno, "symlink refused");
  if (symlink(arg("forbidden"), scratch("other")) < 0) return blocked(errno, "symlink refused");
  buffer = scratch("name");
  return while_exchanging((struct pair){scratch("name"), scratch("other")}, flip_exec_rounds);
}

// argv flips while execve is judged. The program prints what it was given after its number; the harness compares
// that with the record of the same number: what was recorded is what ran.
static struct tally flip_argv_rounds(void) {
  struct tally tally = {0};
  int out = open(scratch("ran"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  for (long i = 0; i < exec_rounds(); i++) {
    char round[32];
    snprintf(round, sizeof round, "round-%ld", i);
    char *const argv[] = {"echo", "--echo", round, buffer, NULL};
    run_shared(argv, join(arg("base"), "bin/echoes"), out) == 0 ? tally.opened++ : tally.refused++;
  }
  close(out);
  return tally;
}
CASE(flip_argv) { return while_flipping("judged-as-this-one", "but-run-as-that-on", flip_argv_rounds); }

// --- connect: the address flips between a granted and a denied one
static struct sockaddr_in destination;
struct ports {
  in_addr_t granted, denied;
};
static void *flip_address(void *given) {
  struct ports *ports = given;
  while (!stop) {
    destination.sin_addr.s_addr = ports->denied;
    destination.sin_addr.s_addr = ports->granted;
  }
  return NULL;
}
CASE(flip_connect) {
  struct ports ports = {inet_addr(arg("granted")), inet_addr("93.184.216.66")};
  destination = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(443), .sin_addr = {ports.granted}};
  pthread_t thread;
  pthread_create(&thread, NULL, flip_address, &ports);
  struct tally tally = {0};
  for (long i = 0; i < number("connects", 500); i++) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    connect(fd, (struct sockaddr *)&destination, sizeof destination) < 0 ? tally.refused++ : tally.opened++;
    if (send(fd, case_name(), strlen(case_name()), MSG_NOSIGNAL) < 0) tally.refused++;
    close(fd);
  }
  stop = 1;
  pthread_join(thread, NULL);
  return verdict(tally); // the harness's listener at the denied address says whether anything leaked
}

#define ROW(name, function) {name, function, RACE_SECONDS}
const struct probe_case race_cases[] = {
    ROW("race-symlink-swap-read", swap_read),
    ROW("race-symlink-swap-write", swap_write),
    ROW("race-directory-swap-write", swap_directory_write),
    ROW("race-directory-swap-create", swap_directory_create),
    ROW("race-directory-swap-unlink", swap_directory_unlink),
    ROW("race-directory-swap-rename", swap_directory_rename),
    ROW("race-hard-link-swap-read", swap_hard_link_read),
    ROW("race-path-in-memory-read", flip_read),
    ROW("race-path-in-memory-write", flip_write),
    ROW("race-path-in-memory-unlink", flip_unlink),
    ROW("race-fifo-in-memory", flip_fifo),
    ROW("race-exec-path", flip_exec),
    ROW("race-exec-symlink", swap_exec),
    ROW("race-argv", flip_argv),
    ROW("race-connect-address", flip_connect),
    ROW(NULL, NULL),
};
