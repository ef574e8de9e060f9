#pragma once

#include <string>

#include "test/component/pipeline/pod.h"

namespace xpu::testing {

// Says "hello" over TCP from one pod to an address of another, both using their kernels, and gives back what
// was heard, or what went wrong.
std::string OverTcp(Pod& from, Pod& to, const std::string& address);

}  // namespace xpu::testing
