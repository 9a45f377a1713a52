// A library that gives the processes that preload it another time of day: this machine's, and as many seconds ahead as the
// file $STACK_CLOCK_FILE says. All of them map the file, so that a new number holds for all at once.
//
// The clocks that measure durations are left alone: time-outs and pauses last as long as they always do. Programs that are
// linked statically, or that call the kernel directly, do not see the other time.

#include <dlfcn.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

typedef int clock_gettime_function(clockid_t, struct timespec *);

static const _Atomic int64_t *seconds_ahead;

__attribute__((constructor)) static void map_file(void) {
    const char *path = getenv("STACK_CLOCK_FILE");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *mapped = file < 0 ? MAP_FAILED : mmap(NULL, sizeof *seconds_ahead, PROT_READ, MAP_SHARED, file, 0);
    // A process with this machine's time among processes with another one would make a test fail in strange ways.
    if (mapped == MAP_FAILED) {
        perror("STACK_CLOCK_FILE cannot be read");
        abort();
    }
    close(file);
    seconds_ahead = mapped;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    static _Atomic(clock_gettime_function *) machine;
    clock_gettime_function *of_machine = atomic_load(&machine);
    if (!of_machine) {
        of_machine = (clock_gettime_function *)dlsym(RTLD_NEXT, "clock_gettime");
        atomic_store(&machine, of_machine);
    }
    int result = of_machine(clock, time);
    // Another library may ask for the time before the file is mapped.
    if (result == 0 && seconds_ahead && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        time->tv_sec += atomic_load(seconds_ahead);
    }
    return result;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone) {
    (void)zone;
    struct timespec now;
    int result = clock_gettime(CLOCK_REALTIME, &now);
    if (result == 0) {
        *time = (struct timeval){.tv_sec = now.tv_sec, .tv_usec = now.tv_nsec / 1000};
    }
    return result;
}

time_t time(time_t *result) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (result) {
        *result = now.tv_sec;
    }
    return now.tv_sec;
}
