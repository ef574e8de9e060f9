#pragma once

#include <functional>
#include <memory>
#include <string>

namespace xpu {

// TLS handshakes that came to nothing because the other side showed no certificate, a wrong one, or did not
// speak TLS. gRPC tells nobody but its log, which this listens to; what else gRPC logs goes to the process's
// log. It says why, and not who it was.
class FailedHandshakes {
 public:
  // `failed` is called on threads of gRPC's, one at a time, for as long as what is returned is there: for
  // handshakes of all connections of this process, also those that it opens itself. It must not block.
  static std::unique_ptr<FailedHandshakes> Watch(std::function<void(const std::string& why)> failed);
  ~FailedHandshakes();
  FailedHandshakes(const FailedHandshakes&) = delete;
  FailedHandshakes& operator=(const FailedHandshakes&) = delete;

 private:
  FailedHandshakes() = default;
};

// What a line of gRPC's log says about a handshake: "certificate verify failed"; empty if it is about
// something else.
std::string FailedHandshakeOf(const std::string& line);

}  // namespace xpu
