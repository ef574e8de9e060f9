#include "control-plane/apiserver/test_watch.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace xpu::apiserver {
namespace {

constexpr long kPatienceSeconds = 20;

}  // namespace

TestWatch::TestWatch(const std::string& endpoint, const std::string& path_and_query,
                     const std::string& token) {
  fd_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  timeval patience{kPatienceSeconds, 0};
  setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::string path(absl::StripPrefix(endpoint, "unix:"));
  strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
  std::string request =
      absl::StrCat("GET ", path_and_query, " HTTP/1.1\r\nHost: test\r\n",
                   token.empty() ? "" : absl::StrCat("Authorization: Bearer ", token, "\r\n"), "\r\n");
  if (connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0 ||
      send(fd_, request.data(), request.size(), MSG_NOSIGNAL) < 0) {
    ended_ = true;
    return;
  }
  size_t end = std::string::npos;
  while ((end = raw_.find("\r\n\r\n")) == std::string::npos) {
    if (!Fill()) return;
  }
  code_ = atoi(raw_.c_str() + strlen("HTTP/1.1 "));
  raw_.erase(0, end + 4);
}

TestWatch::~TestWatch() { Close(); }

void TestWatch::Close() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
  ended_ = true;
}

bool TestWatch::Fill() {
  char data[65536];
  ssize_t size = ended_ ? 0 : recv(fd_, data, sizeof(data), 0);
  if (size <= 0) {
    ended_ = true;
    return false;
  }
  raw_.append(data, size);
  return true;
}

// Chunks are "<size in hex>\r\n<data>\r\n"; one of size 0 is the last.
std::optional<std::string> TestWatch::Line() {
  while (true) {
    if (size_t newline = text_.find('\n'); newline != std::string::npos) {
      std::string line = text_.substr(0, newline);
      text_.erase(0, newline + 1);
      return line;
    }
    size_t header = raw_.find("\r\n");
    size_t size = header == std::string::npos ? 0 : strtoul(raw_.c_str(), nullptr, 16);
    if (header != std::string::npos && size == 0) return std::nullopt;
    if (header != std::string::npos && raw_.size() >= header + 2 + size + 2) {
      text_.append(raw_, header + 2, size);
      raw_.erase(0, header + 2 + size + 2);
    } else if (!Fill()) {
      return std::nullopt;
    }
  }
}

std::optional<nlohmann::json> TestWatch::Next() {
  std::optional<std::string> line = Line();
  if (!line) return std::nullopt;
  return nlohmann::json::parse(*line, nullptr, /*allow_exceptions=*/false);
}

std::vector<std::string> TestWatch::Lines(size_t count) {
  std::vector<std::string> lines;
  while (lines.size() < count) {
    std::optional<nlohmann::json> event = Next();
    if (!event) break;
    lines.push_back(absl::StrCat((*event)["type"].get<std::string>(), " ",
                                 (*event)["object"]["metadata"].value("name", "")));
  }
  return lines;
}

}  // namespace xpu::apiserver
