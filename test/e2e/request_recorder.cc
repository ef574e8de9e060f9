#include "test/e2e/request_recorder.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <optional>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/base/status_macros.h"
#include "common/sys/files.h"

namespace xpu::testing {
namespace {

std::string RealPath(const std::string& path) { return path + ".real"; }

sockaddr_un AddressOf(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), std::min(path.size(), sizeof(address.sun_path) - 1));
  return address;
}

bool SendAll(int fd, absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

// A message of HTTP/1.1 with its body, or its head alone if no length is given.
std::optional<std::string> ReadMessage(int fd, std::string& rest) {
  while (true) {
    const size_t head = rest.find("\r\n\r\n");
    if (head != std::string::npos) {
      size_t length = 0;
      for (absl::string_view line : absl::StrSplit(rest.substr(0, head), "\r\n")) {
        constexpr absl::string_view kName = "content-length:";
        if (absl::StartsWithIgnoreCase(line, kName) &&
            !absl::SimpleAtoi(absl::StripAsciiWhitespace(line.substr(kName.size())), &length)) {
          return std::nullopt;
        }
      }
      const size_t size = head + 4 + length;
      if (rest.size() >= size) {
        std::string message = rest.substr(0, size);
        rest.erase(0, size);
        return message;
      }
    }
    char buffer[65536];
    const ssize_t got = recv(fd, buffer, sizeof(buffer), 0);
    if (got <= 0) return std::nullopt;
    rest.append(buffer, static_cast<size_t>(got));
  }
}

// Both ways, until one side ends.
void Relay(int a, int b) {
  while (true) {
    pollfd polled[] = {{a, POLLIN, 0}, {b, POLLIN, 0}};
    if (poll(polled, 2, -1) < 0) return;
    for (int i = 0; i < 2; ++i) {
      if (polled[i].revents == 0) continue;
      char buffer[65536];
      const ssize_t got = recv(polled[i].fd, buffer, sizeof(buffer), 0);
      if (got <= 0 || !SendAll(polled[1 - i].fd, absl::string_view(buffer, static_cast<size_t>(got)))) return;
    }
  }
}

std::string ProgramAt(int fd) {
  ucred peer{};
  socklen_t size = sizeof(peer);
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return "";
  return ReadTrimmed(absl::StrCat("/proc/", peer.pid, "/comm")).value_or("");
}

std::string Conflict(const std::string& reason) {
  const std::string body =
      absl::StrCat(R"({"kind":"Status","apiVersion":"v1","status":"Failure","code":409,"reason":")", reason,
                   R"(","message":"somebody was quicker"})");
  return absl::StrCat("HTTP/1.1 409 Conflict\r\nContent-Type: application/json\r\nContent-Length: ",
                      body.size(), "\r\n\r\n", body);
}

}  // namespace

std::string ApiRequest::ToString() const { return absl::StrCat(verb, " ", resource, ".", group); }

ApiRequest ReadApiRequest(const std::string& method, const std::string& target) {
  const std::pair<std::string, std::string> halves = absl::StrSplit(target, absl::MaxSplits('?', 1));
  std::vector<std::string> parts = absl::StrSplit(halves.first, '/', absl::SkipEmpty());
  ApiRequest request;
  if (parts.size() >= 3 && parts[0] == "apis") {
    request.group = parts[1];
    parts.erase(parts.begin(), parts.begin() + 3);
  } else if (parts.size() >= 2 && parts[0] == "api") {
    parts.erase(parts.begin(), parts.begin() + 2);
  } else {
    return {};
  }
  if (parts.size() > 2 && parts[0] == "namespaces") parts.erase(parts.begin(), parts.begin() + 2);
  if (parts.empty()) return {};
  request.resource = parts.size() > 2 ? absl::StrCat(parts[0], "/", parts[2]) : parts[0];
  if (method == "GET") {
    request.verb = parts.size() > 1                                 ? "get"
                   : absl::StrContains(halves.second, "watch=true") ? "watch"
                                                                    : "list";
  } else {
    request.verb = method == "POST"    ? "create"
                   : method == "PUT"   ? "update"
                   : method == "PATCH" ? "patch"
                                       : "delete";
  }
  return request;
}

absl::StatusOr<std::unique_ptr<RequestRecorder>> RequestRecorder::Interpose(const std::string& path) {
  std::unique_ptr<RequestRecorder> recorder(new RequestRecorder(path));
  if (rename(path.c_str(), RealPath(path).c_str()) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot move ", path));
  }
  recorder->listener_ = UniqueFd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_un address = AddressOf(path);
  if (bind(recorder->listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
      listen(recorder->listener_.get(), 64) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot listen at ", path));
  }
  recorder->acceptor_ = std::thread([r = recorder.get()] { r->Accept(); });
  return recorder;
}

RequestRecorder::~RequestRecorder() {
  {
    absl::MutexLock lock(&mu_);
    stop_ = true;
    for (Connection& connection : connections_) {
      shutdown(connection.client.get(), SHUT_RDWR);
      shutdown(connection.server.get(), SHUT_RDWR);
    }
  }
  shutdown(listener_.get(), SHUT_RDWR);
  if (acceptor_.joinable()) acceptor_.join();
  for (Connection& connection : connections_) connection.thread.join();
  rename(RealPath(path_).c_str(), path_.c_str());
}

void RequestRecorder::Accept() {
  while (true) {
    UniqueFd client(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    absl::MutexLock lock(&mu_);
    if (stop_ || client.get() < 0) return;
    Connection& connection = connections_.emplace_back();
    connection.client = std::move(client);
    connection.server = UniqueFd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_un address = AddressOf(RealPath(path_));
    if (connect(connection.server.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
      // As a server that is away.
      shutdown(connection.client.get(), SHUT_RDWR);
    }
    connection.thread = std::thread([this, &connection] { Serve(connection); });
  }
}

bool RequestRecorder::Note(const std::string& program, const ApiRequest& request) {
  if (request.verb.empty()) return false;
  absl::MutexLock lock(&mu_);
  const bool first = requests_.insert({program, request}).second;
  const bool is_ours = absl::StartsWith(program, "xpu-");
  return first && is_ours && (request.verb == "create" || request.verb == "update");
}

void RequestRecorder::Serve(Connection& connection) {
  const int client = connection.client.get(), server = connection.server.get();
  const std::string program = ProgramAt(client);
  std::string from_client, from_server;
  while (const std::optional<std::string> message = ReadMessage(client, from_client)) {
    const std::vector<std::string> words = absl::StrSplit(message->substr(0, message->find("\r\n")), ' ');
    const ApiRequest request = words.size() < 2 ? ApiRequest() : ReadApiRequest(words[0], words[1]);
    const bool conflict = Note(program, request);
    if (!SendAll(server, *message)) break;
    if (request.verb == "watch") {
      Relay(client, server);
      break;
    }
    std::optional<std::string> answer = ReadMessage(server, from_server);
    if (!answer) break;
    // What the server itself refuses is left alone.
    if (conflict && absl::StartsWith(*answer, "HTTP/1.1 2")) {
      answer = Conflict(request.verb == "create" ? "AlreadyExists" : "Conflict");
    }
    if (!SendAll(client, *answer)) break;
  }
  shutdown(client, SHUT_RDWR);
  shutdown(server, SHUT_RDWR);
}

std::set<ApiRequest> RequestRecorder::RequestsOf(const std::string& program) const {
  absl::MutexLock lock(&mu_);
  std::set<ApiRequest> requests;
  for (const auto& [name, request] : requests_) {
    if (name == program) requests.insert(request);
  }
  return requests;
}

}  // namespace xpu::testing
