#pragma once

#include <string>

namespace xpu {

// One side's credentials in PEM: its certificate, with those between it and its CA behind it, the key, and
// the CAs whose word it takes for the other side.
struct TlsPem {
  std::string certificate;
  std::string key;
  std::string ca;
  friend bool operator==(const TlsPem&, const TlsPem&) = default;
};

}  // namespace xpu
