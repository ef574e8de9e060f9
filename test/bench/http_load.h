#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/base/unique_fd.h"

namespace xpu::testing {

// Requests to a server on a unix socket, HTTP/1.1, as many at a time as there are connections, and streams of
// lines that it sends meanwhile. Costs as little as a client can, so that what is measured is the server. One
// thread.
class HttpLoad {
 public:
  // Unavailable if nobody listens.
  static absl::StatusOr<std::unique_ptr<HttpLoad>> Connect(const std::string& socket, int connections);

  // Sends request(0), request(1), … up to `count`, each on the next connection that is free, and reads the
  // answers. Internal, with the answer, for the first that is not of 2xx.
  absl::Status Run(size_t count, const std::function<std::string(size_t)>& request);

  // Begins `count` streams of that target, each on a connection of its own, and waits until they are
  // answered.
  absl::Status Watch(int count, const std::string& target);
  // Lines that all streams together have got since the last call of this, once they are `count`.
  absl::Status AwaitLines(uint64_t count);

  // A whole request; no body for an empty one.
  static std::string Request(absl::string_view method, absl::string_view target, absl::string_view body = "");

 private:
  struct Connection {
    UniqueFd fd;
    std::string read;
    bool busy = false;
  };
  struct Stream {
    UniqueFd fd;
    bool after_return = false;
  };

  explicit HttpLoad(std::string socket) : socket_(std::move(socket)) {}
  absl::StatusOr<UniqueFd> Dial() const;
  // Waits until something can be read, and takes the streams' lines.
  absl::Status Poll();
  // True: the answer is complete.
  static absl::StatusOr<bool> Read(Connection& connection);
  void CountLines(Stream& stream, absl::string_view bytes);

  const std::string socket_;
  std::vector<Connection> connections_;
  std::vector<Stream> streams_;
  // Indices of connections that can be read.
  std::vector<size_t> ready_;
  uint64_t lines_ = 0;
};

}  // namespace xpu::testing
