#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "cni/outcome.h"

namespace xpu {

enum class CniCommand { kAdd, kDel, kCheck, kGc, kStatus, kVersion };

// The parameters of a call (CNI specification 1.1.0, section 2, "Parameters"). Views into the environment.
struct CniEnvironment {
  CniCommand command = CniCommand::kVersion;
  std::string_view container_id;
  std::string_view netns;
  std::string_view ifname;
  std::string_view args;
  std::string_view path;
  // XPU_HOST_AGENT: where the host agent listens, if not at the usual place or where the configuration says.
  std::string_view host_agent;
};

// As getenv(3); what it returns must outlive the answer.
using GetVariable = std::function<const char*(const char* name)>;

// Reads and checks all of it. The failure has code 4 and names every variable that is missing or malformed.
Outcome<CniEnvironment> ReadCniEnvironment(const GetVariable& get);

// Well-formed UTF-8 (RFC 3629), as protobuf strings have to be.
bool IsUtf8(std::string_view text);

}  // namespace xpu
