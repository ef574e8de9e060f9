#include <config.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "fatal-signal.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "timeval.h"
#include "util.h"
#include "xpu-agent/datapath/ovs/ovs_c.h"

static void init_once(void) {
  // The library takes over signals that have no handler yet and ends the process on them; whoever uses it
  // here decides about signals itself, so what was set before is put back.
  static const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGALRM, SIGSEGV};
  enum { N = sizeof signals / sizeof signals[0] };
  struct sigaction before[N];
  for (int i = 0; i < N; i++) {
    sigaction(signals[i], NULL, &before[i]);
  }
  fatal_signal_init();
  for (int i = 0; i < N; i++) {
    sigaction(signals[i], &before[i], NULL);
  }
  // Errors come back as values; the library's own log would only double them.
  vlog_set_syslog_method("null");
  vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_EMER);
}

void xpu_ovs_init(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, init_once);
}

long long xpu_ovs_now(void) { return time_msec(); }

void xpu_ovs_wait_fd(int fd) { poll_fd_wait(fd, POLLIN); }

void xpu_ovs_wait_until(long long time) { poll_timer_wait_until(time); }

void xpu_ovs_wake(void) { poll_immediate_wake(); }

void xpu_ovs_block(void) { poll_block(); }

void xpu_ovs_free(char* text) { free(text); }

const char* xpu_ovs_strerror(int error) { return ovs_retval_to_string(error); }
