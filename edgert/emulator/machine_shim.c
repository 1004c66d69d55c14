/* Preloaded into a program on an emulated board (see namespace.py): uname says aarch64, and the wall
   clock is shifted by the seconds in the file that EDGERT_CLOCK_STEP names. Neither touches the
   machine. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

static double step_s(void) {
  const char *path = getenv("EDGERT_CLOCK_STEP");
  char text[32];
  int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  if (file < 0) return 0.0;
  ssize_t length = read(file, text, sizeof text - 1);
  close(file);
  text[length > 0 ? length : 0] = '\0';
  return strtod(text, NULL);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
  int failed = (int)syscall(SYS_clock_gettime, clock, now);
  if (!failed && clock == CLOCK_REALTIME) {
    double shifted_ns = (double)now->tv_nsec + step_s() * 1e9;
    double seconds = (double)(long long)(shifted_ns / 1e9);
    if (shifted_ns < seconds * 1e9) seconds -= 1.0;
    now->tv_sec += (time_t)seconds;
    now->tv_nsec = (long)(shifted_ns - seconds * 1e9);
  }
  return failed;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
  struct timespec exact;
  (void)zone;
  int failed = clock_gettime(CLOCK_REALTIME, &exact);
  if (!failed && now) {
    now->tv_sec = exact.tv_sec;
    now->tv_usec = exact.tv_nsec / 1000;
  }
  return failed;
}

time_t time(time_t *out) {
  struct timespec exact;
  clock_gettime(CLOCK_REALTIME, &exact);
  if (out) *out = exact.tv_sec;
  return exact.tv_sec;
}

int uname(struct utsname *names) {
  int failed = (int)syscall(SYS_uname, names);
  if (!failed) strcpy(names->machine, "aarch64");
  return failed;
}
