// The agent of AgentOnFakes in a process of its own, for tests that stop it as a whole. Prints its address on
// a line when it serves; SIGTERM ends it.
#include <csignal>
#include <iostream>

#include "test/lib/agent/agent_on_fakes.h"

int main() {
  // Blocked before there are other threads, so that only sigwait() sees it.
  sigset_t term;
  sigemptyset(&term);
  sigaddset(&term, SIGTERM);
  sigprocmask(SIG_BLOCK, &term, nullptr);
  const xpu::testing::AgentOnFakes agent;
  std::cout << agent.address() << std::endl;
  int signal = 0;
  return sigwait(&term, &signal) == 0 ? 0 : 1;
}
