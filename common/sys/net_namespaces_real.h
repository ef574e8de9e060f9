#pragma once

#include <memory>
#include <string>

#include "common/sys/net_namespaces.h"

namespace xpu {

// The kernel's network namespaces.
class NetNamespacesReal final : public NetNamespaces {
 public:
  absl::StatusOr<std::shared_ptr<NetNamespace>> Open(const std::string& path) override;
  absl::StatusOr<std::shared_ptr<NetNamespace>> Current() override;
};

// Makes a namespace with its loopback interface up; it goes when the last handle, process and mount of it
// goes.
absl::StatusOr<std::shared_ptr<NetNamespace>> NewNetNamespace();

// Makes a namespace and binds it at `path`, as ip-netns(8) does, so that it outlives this process. The file
// is made; its folder must be there. AlreadyExists if there is something at `path`.
absl::Status CreateBoundNamespace(const std::string& path);
// Undoes it. What is not there, or is a file without a mount (left by a kill in the middle), is OK too.
absl::Status RemoveBoundNamespace(const std::string& path);

}  // namespace xpu
