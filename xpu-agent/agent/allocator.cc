#include "xpu-agent/agent/allocator.h"

#include <malloc.h>

namespace xpu {

void SetUpAllocator() { mallopt(M_MXFAST, 0); }

}  // namespace xpu
