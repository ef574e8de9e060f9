#include "control-plane/xpuctl/backup.h"

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"

namespace xpu {
namespace {

// The version that the server was at, or is at now.
absl::StatusOr<std::string> Ask(Session& session, const char* kind, const char* plural,
                                const std::string& file) {
  const ResourceKind resource{"store.xpu.opiproject.org", "v1", kind, plural};
  std::error_code failed;
  const std::string path = std::filesystem::absolute(file, failed).string();
  absl::StatusOr<Resource> done = session.store.Create(
      resource, {{"apiVersion", resource.ApiVersion()}, {"kind", kind}, {"spec", {{"path", path}}}});
  if (absl::IsNotFound(done.status())) {
    return absl::FailedPreconditionError(
        "this API server is not xpu-apiserver: back up what it keeps its objects in");
  }
  XPU_RETURN_IF_ERROR(done.status());
  return done->value("status", Resource::object()).value("resourceVersion", "");
}

}  // namespace

absl::Status BackUpStore(Session& session, const std::string& file) {
  XPU_ASSIGN_OR_RETURN(const std::string version, Ask(session, "Backup", "backups", file));
  session.out << file << " holds version " << version << "\n";
  return absl::OkStatus();
}

absl::Status RestoreStore(Session& session, const std::string& file) {
  XPU_ASSIGN_OR_RETURN(const std::string version, Ask(session, "Restore", "restores", file));
  session.out << "restored from " << file << "; the store is at version " << version << "\n";
  return absl::OkStatus();
}

}  // namespace xpu
