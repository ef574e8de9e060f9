#pragma once

#include <optional>
#include <string>

#include "common/base/function_id.h"
#include "common/sys/netlink.h"

namespace xpu {

// Which function an interface belongs to, also when it is in another namespace under another name. The kernel
// says so itself for hardware (IFLA_PARENT_DEV_NAME). An emulated card's interfaces are given an alias while
// they are claimed: "xpu:0000:03:00.2".
std::string FunctionAlias(const FunctionId& function);

// By the kernel's word if there is one, else by the alias. The alias is only for where the namespace's owner
// is trusted: who is root in it can write any.
std::optional<FunctionId> FunctionOf(const Link& link);

}  // namespace xpu
