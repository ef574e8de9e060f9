#include <unistd.h>

#include <cstdlib>

#include "cni/early_version.h"
#include "cni/shim.h"

int main() {
  xpu::ShimOptions options;
  options.get_variable = [](const char* name) -> const char* { return getenv(name); };
  options.read_before = xpu::ReadEarly();
  const int status = xpu::RunShim(options);
  // Nothing is buffered and nothing is left to undo; going through the destructors of libraries takes time.
  _exit(status);
}
