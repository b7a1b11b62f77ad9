/* A wall clock that a test sets: what CLOCK_REALTIME shows is moved by as many seconds as the file
 * that FAKE_CLOCK names says, eight bytes. Preloaded into a server whose allocator is at odds with
 * faketime. Nothing here allocates. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static int64_t ahead(void) {
    static int file = -1;
    static int64_t last = 0;
    const char *name = getenv("FAKE_CLOCK");
    if (file < 0 && name) file = open(name, O_RDONLY | O_CLOEXEC);
    int64_t now;
    if (file >= 0 && pread(file, &now, sizeof now, 0) == sizeof now) last = now;
    return last;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    int failed = syscall(SYS_clock_gettime, clock, time);
    if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) time->tv_sec += ahead();
    return failed;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone) {
    (void)zone;
    struct timespec now;
    int failed = clock_gettime(CLOCK_REALTIME, &now);
    time->tv_sec = now.tv_sec;
    time->tv_usec = now.tv_nsec / 1000;
    return failed;
}

time_t time(time_t *seconds) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (seconds) *seconds = now.tv_sec;
    return now.tv_sec;
}
