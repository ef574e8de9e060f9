#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace xpu {

// Small files and folders. Every error names the path and has the code of its errno: NotFound,
// PermissionDenied, AlreadyExists, ResourceExhausted (disk full) and so on. Safe from any thread.

// The whole file.
absl::StatusOr<std::string> ReadFile(const std::string& path);
// The whole file without white space at its ends: how sysfs and procfs files are read.
absl::StatusOr<std::string> ReadTrimmed(const std::string& path);
// Overwrites a file that is there, in one write(2): how sysfs attributes are written.
absl::Status WriteExisting(const std::string& path, absl::string_view contents);
// Replaces `path` or makes it, so that a reader, or a machine that loses power, sees all of the old or all of
// the new contents, never a part.
absl::Status WriteFileAtomic(const std::string& path, absl::string_view contents, int mode = 0644);

// The names in a folder without "." and "..", sorted.
absl::StatusOr<std::vector<std::string>> ListDirectory(const std::string& path);
// What a symbolic link points at.
absl::StatusOr<std::string> ReadSymlink(const std::string& path);
// Makes a folder and those above it; OK if it is there.
absl::Status MakeDirectories(const std::string& path);
// Removes a folder with all that is in it, but nothing behind a mount point or a symbolic link; OK if it is
// not there. FailedPrecondition if something is still mounted in it.
absl::Status RemoveTree(const std::string& path);

// A fresh folder under $TMPDIR or /tmp that goes when this does.
class TemporaryDirectory {
 public:
  static absl::StatusOr<TemporaryDirectory> Make();
  ~TemporaryDirectory();
  TemporaryDirectory(TemporaryDirectory&& other) noexcept : path_(std::move(other.path_)) {
    other.path_.clear();
  }
  TemporaryDirectory& operator=(TemporaryDirectory&&) = delete;
  const std::string& path() const { return path_; }

 private:
  explicit TemporaryDirectory(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

}  // namespace xpu
