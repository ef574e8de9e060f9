#include "test/bench/http_load.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"

namespace xpu::testing {
namespace {

constexpr int kPatienceMs = 60'000;

absl::Status WriteAll(int fd, absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0) return absl::ErrnoToStatus(errno, "cannot send to the server");
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return absl::OkStatus();
}

// Where the header ends; npos if it is not all there.
size_t HeaderEnd(absl::string_view text) {
  const size_t end = text.find("\r\n\r\n");
  return end == absl::string_view::npos ? end : end + 4;
}

// "HTTP/1.1 200 OK": 200.
int CodeOf(absl::string_view header) {
  int code = 0;
  return header.size() > 12 && absl::SimpleAtoi(header.substr(9, 3), &code) ? code : 0;
}

size_t LengthOf(absl::string_view header) {
  size_t length = 0;
  for (size_t at = 0; (at = header.find("\r\n", at)) != absl::string_view::npos;) {
    at += 2;
    const absl::string_view line = header.substr(at, header.find("\r\n", at) - at);
    constexpr absl::string_view kName = "content-length:";
    if (!absl::StartsWithIgnoreCase(line, kName)) continue;
    if (absl::SimpleAtoi(absl::StripAsciiWhitespace(line.substr(kName.size())), &length)) return length;
  }
  return 0;
}

}  // namespace

std::string HttpLoad::Request(absl::string_view method, absl::string_view target, absl::string_view body) {
  std::string text =
      absl::StrCat(method, " ", target, " HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n");
  if (!body.empty()) {
    absl::StrAppend(&text, "Content-Type: application/json\r\nContent-Length: ", body.size(), "\r\n");
  }
  absl::StrAppend(&text, "\r\n", body);
  return text;
}

absl::StatusOr<UniqueFd> HttpLoad::Dial() const {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket_.size() >= sizeof(address.sun_path))
    return absl::InvalidArgumentError("the socket's path is too long");
  std::memcpy(address.sun_path, socket_.data(), socket_.size());
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return absl::UnavailableError(absl::StrCat("cannot connect to ", socket_, ": ", std::strerror(errno)));
  }
  return fd;
}

absl::StatusOr<std::unique_ptr<HttpLoad>> HttpLoad::Connect(const std::string& socket, int connections) {
  std::unique_ptr<HttpLoad> load(new HttpLoad(socket));
  load->connections_.resize(static_cast<size_t>(connections));
  for (Connection& connection : load->connections_) {
    XPU_ASSIGN_OR_RETURN(connection.fd, load->Dial());
  }
  return load;
}

absl::Status HttpLoad::Poll() {
  std::vector<pollfd> polled;
  for (const Connection& connection : connections_) {
    polled.push_back({connection.busy ? connection.fd.get() : -1, POLLIN, 0});
  }
  for (const Stream& stream : streams_) polled.push_back({stream.fd.get(), POLLIN, 0});
  const int count = poll(polled.data(), polled.size(), kPatienceMs);
  if (count < 0) return absl::ErrnoToStatus(errno, "poll");
  if (count == 0) return absl::DeadlineExceededError("the server does not answer");
  ready_.clear();
  for (size_t i = 0; i < connections_.size(); ++i) {
    if (polled[i].revents != 0) ready_.push_back(i);
  }
  for (size_t i = 0; i < streams_.size(); ++i) {
    if (polled[connections_.size() + i].revents == 0) continue;
    char buffer[65536];
    const ssize_t got = recv(streams_[i].fd.get(), buffer, sizeof(buffer), 0);
    if (got <= 0) return absl::UnavailableError("the server has closed a stream");
    CountLines(streams_[i], absl::string_view(buffer, static_cast<size_t>(got)));
  }
  return absl::OkStatus();
}

// A line of the stream ends with a line feed alone, the pieces of the body (RFC 9112, section 7.1) with both.
void HttpLoad::CountLines(Stream& stream, absl::string_view bytes) {
  for (const char c : bytes) {
    lines_ += c == '\n' && !stream.after_return ? 1 : 0;
    stream.after_return = c == '\r';
  }
}

absl::StatusOr<bool> HttpLoad::Read(Connection& connection) {
  char buffer[65536];
  const ssize_t got = recv(connection.fd.get(), buffer, sizeof(buffer), 0);
  if (got <= 0) return absl::UnavailableError("the server has closed a connection");
  connection.read.append(buffer, static_cast<size_t>(got));
  const size_t body = HeaderEnd(connection.read);
  if (body == absl::string_view::npos) return false;
  const absl::string_view header = absl::string_view(connection.read).substr(0, body);
  if (connection.read.size() < body + LengthOf(header)) return false;
  const int code = CodeOf(header);
  if (code < 200 || code > 299)
    return absl::InternalError(absl::StrCat("the server answered ", connection.read));
  connection.read.clear();
  return true;
}

absl::Status HttpLoad::Run(size_t count, const std::function<std::string(size_t)>& request) {
  size_t sent = 0, answered = 0;
  const auto send_next = [&](Connection& connection) -> absl::Status {
    connection.busy = sent < count;
    return connection.busy ? WriteAll(connection.fd.get(), request(sent++)) : absl::OkStatus();
  };
  for (Connection& connection : connections_) XPU_RETURN_IF_ERROR(send_next(connection));
  while (answered < count) {
    XPU_RETURN_IF_ERROR(Poll());
    for (const size_t i : ready_) {
      XPU_ASSIGN_OR_RETURN(const bool complete, Read(connections_[i]));
      if (!complete) continue;
      ++answered;
      XPU_RETURN_IF_ERROR(send_next(connections_[i]));
    }
  }
  return absl::OkStatus();
}

absl::Status HttpLoad::Watch(int count, const std::string& target) {
  for (int i = 0; i < count; ++i) {
    Stream stream;
    XPU_ASSIGN_OR_RETURN(stream.fd, Dial());
    XPU_RETURN_IF_ERROR(WriteAll(stream.fd.get(), Request("GET", target)));
    std::string head;
    while (HeaderEnd(head) == std::string::npos) {
      char c = 0;
      if (recv(stream.fd.get(), &c, 1, 0) != 1)
        return absl::UnavailableError("the server has closed a stream");
      head.push_back(c);
    }
    if (CodeOf(head) != 200) return absl::InternalError(absl::StrCat("the server answered ", head));
    streams_.push_back(std::move(stream));
  }
  return absl::OkStatus();
}

absl::Status HttpLoad::AwaitLines(uint64_t count) {
  while (lines_ < count) XPU_RETURN_IF_ERROR(Poll());
  lines_ = 0;
  return absl::OkStatus();
}

}  // namespace xpu::testing
