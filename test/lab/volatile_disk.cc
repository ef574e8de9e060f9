#include "test/lab/volatile_disk.h"

#include <endian.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace xpu::testing {
namespace {

// Of the protocol.
constexpr uint64_t kGreeting = 0x4e42444d41474943;  // "NBDMAGIC"
constexpr uint64_t kOption = 0x49484156454f5054;    // "IHAVEOPT"
constexpr uint64_t kOptionReply = 0x3e889045565a9;
constexpr uint32_t kRequest = 0x25609513;
constexpr uint32_t kSimpleReply = 0x67446698;
constexpr uint16_t kFixedNewstyle = 1;
constexpr uint32_t kExportName = 1, kGo = 7;
constexpr uint32_t kAck = 1, kInfo = 3, kUnsupported = 0x80000001;
constexpr uint16_t kHasFlags = 1, kSendFlush = 4;
constexpr uint16_t kCommandRead = 0, kCommandWrite = 1, kCommandDisconnect = 2, kCommandFlush = 3;
constexpr uint32_t kMaxLength = 64 << 20;

bool ReceiveAll(int fd, void* to, size_t size) {
  auto* at = static_cast<char*>(to);
  while (size > 0) {
    const ssize_t got = recv(fd, at, size, 0);
    if (got <= 0) return false;
    at += got;
    size -= static_cast<size_t>(got);
  }
  return true;
}

template <typename T>
bool Receive(int fd, T* number) {
  if (!ReceiveAll(fd, number, sizeof(T))) return false;
  if constexpr (sizeof(T) == 2) *number = be16toh(*number);
  if constexpr (sizeof(T) == 4) *number = be32toh(*number);
  if constexpr (sizeof(T) == 8) *number = be64toh(*number);
  return true;
}

template <typename T>
void Append(std::string* out, T number) {
  if constexpr (sizeof(T) == 2) number = htobe16(number);
  if constexpr (sizeof(T) == 4) number = htobe32(number);
  if constexpr (sizeof(T) == 8) number = htobe64(number);
  out->append(reinterpret_cast<const char*>(&number), sizeof(T));
}

bool SendAll(int fd, const std::string& bytes) {
  size_t sent = 0;
  while (sent < bytes.size()) {
    const ssize_t got = send(fd, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (got <= 0) return false;
    sent += static_cast<size_t>(got);
  }
  return true;
}

bool ReplyToOption(int fd, uint32_t option, uint32_t type, const std::string& data) {
  std::string reply;
  Append(&reply, kOptionReply);
  Append(&reply, option);
  Append(&reply, type);
  Append(&reply, static_cast<uint32_t>(data.size()));
  return SendAll(fd, reply + data);
}

}  // namespace

absl::StatusOr<std::unique_ptr<VolatileDisk>> VolatileDisk::Serve(const std::string& image,
                                                                  const std::string& socket) {
  UniqueFd file(open(image.c_str(), O_RDWR | O_CLOEXEC));
  struct stat state {};
  if (!file || fstat(file.get(), &state) != 0) return absl::ErrnoToStatus(errno, image);
  UniqueFd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  strncpy(address.sun_path, socket.c_str(), sizeof(address.sun_path) - 1);
  if (bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0 ||
      listen(listener.get(), 1) != 0) {
    return absl::ErrnoToStatus(errno, socket);
  }
  std::unique_ptr<VolatileDisk> disk(
      new VolatileDisk(std::move(file), std::move(listener), static_cast<uint64_t>(state.st_size), socket));
  disk->thread_ = std::thread([disk = disk.get()] { disk->Run(); });
  return disk;
}

VolatileDisk::~VolatileDisk() {
  {
    absl::MutexLock lock(&mu_);
    power_ = false;
    if (client_ >= 0) shutdown(client_, SHUT_RDWR);
  }
  shutdown(listener_.get(), SHUT_RDWR);
  thread_.join();
  unlink(socket_.c_str());
}

void VolatileDisk::CutPower(std::mt19937& random) {
  absl::MutexLock lock(&mu_);
  power_ = false;
  if (client_ >= 0) shutdown(client_, SHUT_RDWR);
  waited_ = cache_.size();
  for (const auto& [sector, data] : cache_) {
    if (random() % 2 == 0) continue;
    if (pwrite(image_.get(), data.data(), kSector, static_cast<off_t>(sector * kSector)) < 0) break;
  }
  cache_.clear();
}

void VolatileDisk::Run() {
  while (true) {
    const UniqueFd client(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!client) return;
    {
      absl::MutexLock lock(&mu_);
      if (!power_) return;
      client_ = client.get();
    }
    Talk(client.get());
    absl::MutexLock lock(&mu_);
    client_ = -1;
  }
}

void VolatileDisk::Talk(int fd) {
  if (!Handshake(fd)) return;
  while (Answer(fd)) {
  }
}

bool VolatileDisk::Handshake(int fd) {
  std::string hello;
  Append(&hello, kGreeting);
  Append(&hello, kOption);
  Append(&hello, kFixedNewstyle);
  uint32_t client_flags = 0;
  if (!SendAll(fd, hello) || !Receive(fd, &client_flags)) return false;
  while (true) {
    uint64_t magic = 0;
    uint32_t option = 0, length = 0;
    if (!Receive(fd, &magic) || !Receive(fd, &option) || !Receive(fd, &length)) return false;
    if (magic != kOption || length > kMaxLength) return false;
    std::vector<char> data(length);
    if (!ReceiveAll(fd, data.data(), length)) return false;
    if (option != kGo && option != kExportName) {
      if (!ReplyToOption(fd, option, kUnsupported, "")) return false;
      continue;
    }
    std::string about;
    if (option == kGo) Append(&about, uint16_t{0});  // NBD_INFO_EXPORT
    Append(&about, size_);
    Append(&about, static_cast<uint16_t>(kHasFlags | kSendFlush));
    if (option == kExportName) return SendAll(fd, about + std::string(124, '\0'));
    return ReplyToOption(fd, option, kInfo, about) && ReplyToOption(fd, option, kAck, "");
  }
}

bool VolatileDisk::Answer(int fd) {
  uint32_t magic = 0, length = 0;
  uint16_t flags = 0, command = 0;
  uint64_t cookie = 0, offset = 0;
  if (!Receive(fd, &magic) || !Receive(fd, &flags) || !Receive(fd, &command) || !Receive(fd, &cookie) ||
      !Receive(fd, &offset) || !Receive(fd, &length)) {
    return false;
  }
  if (magic != kRequest || command == kCommandDisconnect || length > kMaxLength) return false;
  uint32_t error = 0;
  std::vector<char> data;
  const bool moves = command == kCommandRead || command == kCommandWrite;
  if (moves && (offset % kSector != 0 || length % kSector != 0 || offset + length > size_)) error = EINVAL;
  if (moves) data.resize(length);
  if (command == kCommandWrite && !ReceiveAll(fd, data.data(), length)) return false;
  {
    absl::MutexLock lock(&mu_);
    if (!power_) return false;
    if (error == 0 && command == kCommandWrite) {
      for (uint64_t at = 0; at < length; at += kSector) {
        cache_[(offset + at) / kSector].assign(data.begin() + static_cast<ptrdiff_t>(at),
                                               data.begin() + static_cast<ptrdiff_t>(at + kSector));
      }
    } else if (error == 0 && command == kCommandRead) {
      if (pread(image_.get(), data.data(), length, static_cast<off_t>(offset)) !=
          static_cast<ssize_t>(length)) {
        error = EIO;
      }
      for (auto it = cache_.lower_bound(offset / kSector);
           it != cache_.end() && it->first < (offset + length) / kSector; ++it) {
        memcpy(data.data() + it->first * kSector - offset, it->second.data(), kSector);
      }
    } else if (command == kCommandFlush) {
      for (const auto& [sector, bytes] : cache_) {
        if (pwrite(image_.get(), bytes.data(), kSector, static_cast<off_t>(sector * kSector)) < 0)
          error = EIO;
      }
      cache_.clear();
      ++flushes_;
    } else if (!moves) {
      error = EINVAL;
    }
  }
  std::string reply;
  Append(&reply, kSimpleReply);
  Append(&reply, error);
  Append(&reply, cookie);
  if (error == 0 && command == kCommandRead) reply.append(data.data(), data.size());
  return SendAll(fd, reply);
}

}  // namespace xpu::testing
