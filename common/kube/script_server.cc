#include "common/kube/script_server.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace xpu {

ScriptServer::Reply ScriptServer::Respond(int code, const std::string& body) {
  return {{absl::StrCat("HTTP/1.1 ", code, " Said\r\nContent-Type: application/json\r\nContent-Length: ",
                        body.size(), "\r\n\r\n", body)}};
}

std::string ScriptServer::ChunkedHead(int code) {
  return absl::StrCat("HTTP/1.1 ", code, " Said\r\nTransfer-Encoding: chunked\r\n\r\n");
}

std::string ScriptServer::Chunk(const std::string& data) {
  return absl::StrCat(absl::Hex(data.size()), "\r\n", data, "\r\n");
}

ScriptServer::ScriptServer(Script script) : script_(std::move(script)) {
  char folder[] = "/tmp/xpu-script-XXXXXX";
  if (mkdtemp(folder) == nullptr) abort();
  folder_ = folder;
  path_ = folder_ + "/s";
  listener_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  snprintf(address.sun_path, sizeof(address.sun_path), "%s", path_.c_str());
  if (bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0 ||
      listen(listener_, 16) != 0) {
    abort();
  }
  acceptor_ = std::thread([this] { Accept(); });
}

ScriptServer::~ScriptServer() {
  shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  std::vector<std::thread> threads;
  {
    absl::MutexLock lock(&mu_);
    for (const int fd : open_) shutdown(fd, SHUT_RDWR);
    threads.swap(threads_);
  }
  for (std::thread& thread : threads) thread.join();
  close(listener_);
  std::filesystem::remove_all(folder_);
}

std::vector<ScriptServer::Request> ScriptServer::requests() const {
  absl::MutexLock lock(&mu_);
  return requests_;
}

int ScriptServer::connections() const {
  absl::MutexLock lock(&mu_);
  return connections_;
}

void ScriptServer::Accept() {
  while (true) {
    const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) return;
    absl::MutexLock lock(&mu_);
    ++connections_;
    open_.push_back(fd);
    threads_.emplace_back([this, fd] { Serve(fd); });
  }
}

void ScriptServer::Serve(int fd) {
  std::string input;
  const auto read_more = [&] {
    char buffer[4096];
    const ssize_t got = read(fd, buffer, sizeof(buffer));
    if (got > 0) input.append(buffer, got);
    return got > 0;
  };
  while (true) {
    size_t end;
    bool alive = true;
    while (alive && (end = input.find("\r\n\r\n")) == std::string::npos) alive = read_more();
    if (!alive) break;
    Request request;
    std::string head = input.substr(0, end);
    input.erase(0, end + 4);
    const std::vector<std::string> first = absl::StrSplit(head.substr(0, head.find("\r\n")), ' ');
    request.method = first[0];
    request.target = first.size() > 1 ? first[1] : "";
    request.headers = absl::AsciiStrToLower(head);
    size_t length = 0;
    if (const size_t at = request.headers.find("content-length: "); at != std::string::npos) {
      const std::string value = request.headers.substr(at + 16, request.headers.find("\r\n", at) - at - 16);
      if (!absl::SimpleAtoi(value, &length)) break;
    }
    while (alive && input.size() < length) alive = read_more();
    if (!alive) break;
    request.body = input.substr(0, length);
    input.erase(0, length);
    {
      absl::MutexLock lock(&mu_);
      requests_.push_back(request);
    }
    const Reply reply = script_(request);
    if (reply.hang) {
      while (read_more()) {
      }
      break;
    }
    for (const std::string& piece : reply.pieces) {
      if (send(fd, piece.data(), piece.size(), MSG_NOSIGNAL) < 0) break;
    }
    if (reply.close) break;
  }
  absl::MutexLock lock(&mu_);
  open_.remove(fd);
  close(fd);
}

}  // namespace xpu
