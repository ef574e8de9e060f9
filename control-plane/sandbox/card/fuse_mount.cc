#define FUSE_USE_VERSION 312

#include "control-plane/sandbox/card/fuse_mount.h"

#include <fcntl.h>
#include <fuse3/fuse.h>
#include <fuse3/fuse_lowlevel.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "spdlog/spdlog.h"

namespace xpu {

struct FuseMount::State {
  Callbacks callbacks;
  std::string path;
  struct fuse* handle = nullptr;
  fuse_buf buffer{};
  EventLoop::Handle readable;

  void OnReadable() {
    struct fuse_session* session = fuse_get_session(handle);
    const int got = fuse_session_receive_buf(session, &buffer);
    if (got == -EINTR || got == -EAGAIN) return;
    if (got <= 0) {
      spdlog::warn("{} has been unmounted", path);
      readable.Cancel();
      return;
    }
    fuse_session_process_buf(session, &buffer);
  }

  ~State() {
    readable.Cancel();
    if (handle != nullptr) {
      fuse_unmount(handle);
      fuse_destroy(handle);
    }
    std::free(buffer.mem);
  }
};

namespace {

using Node = FileTree::Node;

FuseMount::Callbacks& Callbacks() {
  return *static_cast<FuseMount::Callbacks*>(fuse_get_context()->private_data);
}

void* Init(fuse_conn_info*, fuse_config* config) {
  config->entry_timeout = 0;
  config->attr_timeout = 0;
  config->negative_timeout = 0;
  // What has been forgotten by name is of no more use: no hidden files.
  config->hard_remove = 1;
  return fuse_get_context()->private_data;
}

int GetAttr(const char* path, struct stat* info, fuse_file_info*) {
  const auto tree = Callbacks().tree();
  const Node* node = tree->Find(path);
  if (node == nullptr) return -ENOENT;
  *info = {};
  info->st_nlink = 1;
  switch (node->kind) {
    case Node::Kind::kFolder:
      info->st_mode = S_IFDIR | 0755;
      break;
    case Node::Kind::kLink:
      info->st_mode = S_IFLNK | 0777;
      info->st_size = static_cast<off_t>(node->text.size());
      break;
    case Node::Kind::kFile:
      info->st_mode = S_IFREG | (node->writable ? 0644 : 0444);
      info->st_size = 4096;  // as sysfs says of every attribute
      break;
  }
  return 0;
}

int ReadDir(const char* path, void* buffer, fuse_fill_dir_t fill, off_t, fuse_file_info*,
            fuse_readdir_flags) {
  const auto tree = Callbacks().tree();
  const Node* node = tree->Find(path);
  if (node == nullptr) return -ENOENT;
  if (node->kind != Node::Kind::kFolder) return -ENOTDIR;
  const auto add = [&](const char* name) {
    fill(buffer, name, nullptr, 0, static_cast<fuse_fill_dir_flags>(0));
  };
  add(".");
  add("..");
  for (const std::string& name : node->children) add(name.c_str());
  return 0;
}

int ReadLink(const char* path, char* buffer, size_t size) {
  const auto tree = Callbacks().tree();
  const Node* node = tree->Find(path);
  if (node == nullptr) return -ENOENT;
  if (node->kind != Node::Kind::kLink || size == 0) return -EINVAL;
  const size_t length = std::min(size - 1, node->text.size());
  std::memcpy(buffer, node->text.data(), length);
  buffer[length] = '\0';
  return 0;
}

int Open(const char* path, fuse_file_info* file) {
  const auto tree = Callbacks().tree();
  const Node* node = tree->Find(path);
  if (node == nullptr) return -ENOENT;
  if ((file->flags & O_ACCMODE) != O_RDONLY && !node->writable) return -EACCES;
  file->direct_io = 1;  // the size is not known before it is read
  return 0;
}

int Read(const char* path, char* buffer, size_t size, off_t offset, fuse_file_info*) {
  const auto tree = Callbacks().tree();
  const Node* node = tree->Find(path);
  if (node == nullptr) return -ENODEV;
  const auto from = static_cast<size_t>(offset);
  if (from >= node->text.size()) return 0;
  const size_t length = std::min(size, node->text.size() - from);
  std::memcpy(buffer, node->text.data() + from, length);
  return static_cast<int>(length);
}

int Write(const char* path, const char* data, size_t size, off_t, fuse_file_info*) {
  const int error = Callbacks().write(path, absl::string_view(data, size));
  return error != 0 ? -error : static_cast<int>(size);
}

// Shells open with O_TRUNC; sysfs takes no notice.
int Truncate(const char*, off_t, fuse_file_info*) { return 0; }

fuse_operations Operations() {
  fuse_operations operations{};
  operations.init = Init;
  operations.getattr = GetAttr;
  operations.readdir = ReadDir;
  operations.readlink = ReadLink;
  operations.open = Open;
  operations.read = Read;
  operations.write = Write;
  operations.truncate = Truncate;
  return operations;
}

}  // namespace

FuseMount::FuseMount(std::unique_ptr<State> state) : state_(std::move(state)) {}
FuseMount::~FuseMount() = default;

absl::StatusOr<std::unique_ptr<FuseMount>> FuseMount::Mount(const std::string& path, EventLoop& loop,
                                                            Callbacks callbacks) {
  // A mount whose process is gone answers ENOTCONN to everything.
  struct stat info {};
  if (stat(path.c_str(), &info) != 0 && errno == ENOTCONN) umount2(path.c_str(), MNT_DETACH);

  auto state = std::make_unique<State>();
  state->callbacks = std::move(callbacks);
  state->path = path;
  static const fuse_operations operations = Operations();
  char program[] = "xpu-card-emulator";
  char option[] = "-o";
  char value[] = "allow_other,default_permissions,fsname=xpu-card,subtype=xpu-sysfs";
  char* argv[] = {program, option, value};
  fuse_args args = FUSE_ARGS_INIT(3, argv);
  state->handle = fuse_new(&args, &operations, sizeof(operations), &state->callbacks);
  fuse_opt_free_args(&args);
  if (state->handle == nullptr) return absl::InternalError("libfuse refuses its options");
  if (fuse_mount(state->handle, path.c_str()) != 0) {
    fuse_destroy(std::exchange(state->handle, nullptr));
    return absl::FailedPreconditionError(
        absl::StrCat("cannot mount by FUSE at ", path,
                     "; is the folder there, is there a /dev/fuse, and does the process run as root?"));
  }
  const int fd = fuse_session_fd(fuse_get_session(state->handle));
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
  State* raw = state.get();
  state->readable = loop.OnReadable(fd, [raw] { raw->OnReadable(); });
  return std::unique_ptr<FuseMount>(new FuseMount(std::move(state)));
}

}  // namespace xpu
