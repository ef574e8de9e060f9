#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace xpu {

// A network namespace held open: it lives on for as long as this does, also when its path is unlinked.
class NetNamespace {
 public:
  virtual ~NetNamespace() = default;
  // Identity: equal for two handles of the same namespace.
  virtual uint64_t inode() const = 0;
  // For IFLA_NET_NS_FD; -1 in the fake.
  virtual int fd() const = 0;
};

// Opens network namespaces (namespaces(7), "/proc/[pid]/ns/net"). Safe from any thread.
class NetNamespaces {
 public:
  virtual ~NetNamespaces() = default;

  // The namespace bound at `path`. NotFound if nothing is there; InvalidArgument if it is not a network
  // namespace.
  virtual absl::StatusOr<std::shared_ptr<NetNamespace>> Open(const std::string& path) = 0;
  // The namespace of the calling process.
  virtual absl::StatusOr<std::shared_ptr<NetNamespace>> Current() = 0;
};

}  // namespace xpu
