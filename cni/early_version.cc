#include "cni/early_version.h"

#include <poll.h>
#include <unistd.h>

#include <cstring>

#include "common/base/cni.h"

namespace xpu {
namespace {

// The CNI library sends 22 bytes.
constexpr size_t kMaxPlain = 256;
// Then it is main()'s turn to wait.
constexpr int kPatienceMs = 1000;

char read_early[kMaxPlain];
size_t read_early_size = 0;

class Scanner {
 public:
  explicit Scanner(std::string_view text) : left_(text) {}

  // `expected`, after white space.
  bool Take(std::string_view expected) {
    SkipSpace();
    if (left_.substr(0, expected.size()) != expected) return false;
    left_.remove_prefix(expected.size());
    return true;
  }
  // `expected`, at once.
  bool TakeNext(char expected) {
    if (left_.empty() || left_.front() != expected) return false;
    left_.remove_prefix(1);
    return true;
  }
  std::string_view TakeVersion() {
    size_t size = 0;
    while (size < left_.size() && ((left_[size] >= '0' && left_[size] <= '9') || left_[size] == '.')) ++size;
    const std::string_view version = left_.substr(0, size);
    left_.remove_prefix(size);
    return version;
  }
  bool AtEnd() {
    SkipSpace();
    return left_.empty();
  }

 private:
  void SkipSpace() {
    while (!left_.empty() && (left_.front() == ' ' || left_.front() == '\t' || left_.front() == '\n' ||
                              left_.front() == '\r')) {
      left_.remove_prefix(1);
    }
  }

  std::string_view left_;
};

// Up to the end, or to more than is plain. False where main() is to look into it.
bool ReadConfig(char* config, size_t* size) {
  while (*size < kMaxPlain) {
    pollfd wait{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
    if (poll(&wait, 1, kPatienceMs) != 1 || (wait.revents & POLLNVAL) != 0) return false;
    const ssize_t n = read(STDIN_FILENO, config + *size, kMaxPlain - *size);
    if (n < 0) return false;
    if (n == 0) return true;
    *size += static_cast<size_t>(n);
  }
  return false;
}

class Text {
 public:
  Text& operator<<(std::string_view piece) {
    memcpy(text_ + size_, piece.data(), piece.size());
    size_ += piece.size();
    return *this;
  }
  const char* data() const { return text_; }
  size_t size() const { return size_; }

 private:
  // Enough for the versions and one that is as long as what may be plain.
  char text_[2 * kMaxPlain];
  size_t size_ = 0;
};

void AnswerVersionEarly(int, char**, char** environment) {
  constexpr std::string_view kName = "CNI_COMMAND=";
  const char* command = nullptr;
  for (; *environment != nullptr && command == nullptr; ++environment) {
    if (strncmp(*environment, kName.data(), kName.size()) == 0) command = *environment + kName.size();
  }
  if (command == nullptr || strcmp(command, "VERSION") != 0) return;

  char config[kMaxPlain];
  size_t size = 0;
  const bool whole = ReadConfig(config, &size);
  const std::optional<std::string_view> version = whole ? PlainVersion({config, size}) : std::nullopt;
  if (!version) {
    memcpy(read_early, config, size);
    read_early_size = size;
    return;
  }
  Text answer;
  answer << "{\"cniVersion\":\"" << (version->empty() ? kNewestCniVersion : *version)
         << "\",\"supportedVersions\":[";
  for (std::string_view known : kCniVersions) {
    answer << "\"" << known << (known == kNewestCniVersion ? "\"]}\n" : "\",");
  }
  // main() would fare no better with what is left unwritten.
  _exit(write(STDOUT_FILENO, answer.data(), answer.size()) == static_cast<ssize_t>(answer.size()) ? 0 : 1);
}

// The C library calls what stands here before everything else of the program (ELF gABI, "Initialization and
// Termination Functions"), with the arguments of main().
[[gnu::section(".preinit_array"),
  gnu::used]] void (*const answer_version_early)(int, char**, char**) = &AnswerVersionEarly;

}  // namespace

std::string_view ReadEarly() { return {read_early, read_early_size}; }

std::optional<std::string_view> PlainVersion(std::string_view config) {
  Scanner scanner(config);
  if (scanner.AtEnd()) return std::string_view();
  if (!scanner.Take("{") || !scanner.Take("\"cniVersion\"") || !scanner.Take(":") || !scanner.Take("\"")) {
    return std::nullopt;
  }
  const std::string_view version = scanner.TakeVersion();
  if (version.empty() || !scanner.TakeNext('"') || !scanner.Take("}") || !scanner.AtEnd())
    return std::nullopt;
  return version;
}

}  // namespace xpu
