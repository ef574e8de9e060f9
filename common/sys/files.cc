#include "common/sys/files.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/base/unique_fd.h"

namespace xpu {
namespace {

absl::Status Failed(absl::string_view what, const std::string& path) {
  return absl::ErrnoToStatus(errno, absl::StrCat("cannot ", what, " ", path));
}

absl::Status WriteAll(int fd, absl::string_view contents, const std::string& path) {
  while (!contents.empty()) {
    const ssize_t written = write(fd, contents.data(), contents.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return Failed("write", path);
    contents.remove_prefix(static_cast<size_t>(written));
  }
  return absl::OkStatus();
}

std::string FolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// Removes what is in the folder `fd`. `device` is the file system that must not be left.
absl::Status RemoveContents(UniqueFd fd, dev_t device, const std::string& path) {
  DIR* folder = fdopendir(fd.get());
  if (folder == nullptr) return Failed("read folder", path);
  const int at = fd.Release();
  const std::unique_ptr<DIR, int (*)(DIR*)> closer(folder, closedir);
  while (const dirent* entry = readdir(folder)) {
    const std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    const std::string child = absl::StrCat(path, "/", name);
    struct stat info {};
    if (fstatat(at, name.c_str(), &info, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) != 0) {
      if (errno == ENOENT) continue;
      return Failed("remove", child);
    }
    if (info.st_dev != device) {
      return absl::FailedPreconditionError(
          absl::StrCat("cannot remove ", child, ": another file system is mounted there; unmount it first"));
    }
    if (S_ISDIR(info.st_mode)) {
      UniqueFd below(openat(at, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
      if (!below) return Failed("open folder", child);
      XPU_RETURN_IF_ERROR(RemoveContents(std::move(below), device, child));
    }
    if (unlinkat(at, name.c_str(), S_ISDIR(info.st_mode) ? AT_REMOVEDIR : 0) != 0 && errno != ENOENT) {
      return Failed("remove", child);
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return Failed("open", path);
  std::string contents;
  char buffer[16384];
  for (;;) {
    const ssize_t got = read(fd.get(), buffer, sizeof(buffer));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Failed("read", path);
    if (got == 0) return contents;
    contents.append(buffer, static_cast<size_t>(got));
  }
}

absl::StatusOr<std::string> ReadTrimmed(const std::string& path) {
  XPU_ASSIGN_OR_RETURN(const std::string contents, ReadFile(path));
  return std::string(absl::StripAsciiWhitespace(contents));
}

absl::Status WriteExisting(const std::string& path, absl::string_view contents) {
  UniqueFd fd(open(path.c_str(), O_WRONLY | O_CLOEXEC | O_TRUNC));
  if (!fd) return Failed("open", path);
  return WriteAll(fd.get(), contents, path);
}

absl::Status WriteFileAtomic(const std::string& path, absl::string_view contents, int mode) {
  std::string temporary = absl::StrCat(path, ".XXXXXX");
  UniqueFd fd(mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd) return Failed("make", temporary);
  absl::Status status = WriteAll(fd.get(), contents, temporary);
  if (status.ok() && fchmod(fd.get(), static_cast<mode_t>(mode)) != 0) status = Failed("chmod", temporary);
  if (status.ok() && fsync(fd.get()) != 0) status = Failed("sync", temporary);
  if (status.ok() && rename(temporary.c_str(), path.c_str()) != 0) status = Failed("replace", path);
  if (!status.ok()) {
    unlink(temporary.c_str());
    return status;
  }
  // The rename itself is only safe once the folder is on the disk.
  UniqueFd folder(open(FolderOf(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder || fsync(folder.get()) != 0) return Failed("sync the folder of", path);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> ListDirectory(const std::string& path) {
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(opendir(path.c_str()), closedir);
  if (folder == nullptr) return Failed("read folder", path);
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = readdir(folder.get())) {
    const absl::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  if (errno != 0) return Failed("read folder", path);
  std::sort(names.begin(), names.end());
  return names;
}

absl::StatusOr<std::string> ReadSymlink(const std::string& path) {
  char target[PATH_MAX];
  const ssize_t length = readlink(path.c_str(), target, sizeof(target));
  if (length < 0) return Failed("read link", path);
  return std::string(target, static_cast<size_t>(length));
}

absl::Status MakeDirectories(const std::string& path) {
  if (path.empty()) return absl::InvalidArgumentError("cannot make a folder without a name");
  for (size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
    const std::string prefix = path.substr(0, end);
    if (mkdir(prefix.c_str(), 0755) != 0 && errno != EEXIST) return Failed("make folder", prefix);
    if (end == std::string::npos) break;
  }
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) return Failed("make folder", path);
  if (!S_ISDIR(info.st_mode)) {
    return absl::AlreadyExistsError(absl::StrCat("cannot make folder ", path, ": it is a file"));
  }
  return absl::OkStatus();
}

absl::Status RemoveTree(const std::string& path) {
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) return errno == ENOENT ? absl::OkStatus() : Failed("remove", path);
  struct stat info {};
  if (fstat(fd.get(), &info) != 0) return Failed("remove", path);
  XPU_RETURN_IF_ERROR(RemoveContents(std::move(fd), info.st_dev, path));
  if (rmdir(path.c_str()) != 0 && errno != ENOENT) return Failed("remove", path);
  return absl::OkStatus();
}

absl::StatusOr<TemporaryDirectory> TemporaryDirectory::Make() {
  const char* base = std::getenv("TMPDIR");
  std::string path = absl::StrCat(base != nullptr && *base != 0 ? base : "/tmp", "/xpu.XXXXXX");
  if (mkdtemp(path.data()) == nullptr) return Failed("make folder", path);
  return TemporaryDirectory(std::move(path));
}

TemporaryDirectory::~TemporaryDirectory() {
  if (!path_.empty()) RemoveTree(path_).IgnoreError();
}

}  // namespace xpu
