#pragma once

#include <map>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "common/base/unique_fd.h"

namespace xpu {

// For tests: an HTTP/2 server that takes one request and then sends exactly the bytes of a script, in pieces
// of a given size, so that a client meets what no well-behaved server does. Frames are those of RFC 9113,
// section 6.
class ScriptedServer {
 public:
  using Headers = std::vector<std::pair<std::string, std::string>>;
  static constexpr uint8_t kEndStream = 0x1;
  static constexpr uint8_t kEndHeaders = 0x4;
  static constexpr uint8_t kPadded = 0x8;

  static std::string Frame(uint8_t type, uint8_t flags, uint32_t stream, std::string_view payload);
  static std::string SettingsFrame();
  // On stream 1, in HPACK's literal form.
  static std::string HeadersFrame(const Headers& headers, bool end_stream);
  static std::string DataFrame(std::string_view data, bool end_stream = false);
  static std::string RstStreamFrame(uint32_t error);
  static std::string GoawayFrame(uint32_t last_stream, uint32_t error);
  // What a gRPC server sends before the first message.
  static std::string Opening();
  // Prefix and message.
  static std::string Message(std::string_view message);

  struct Script {
    std::string bytes;
    // Bytes for each send(); the socket's buffer is as small as can be, so that the client meets the seams.
    size_t piece = 1 << 20;
    // Close right after the script; else wait until the client closes.
    bool close = false;
    // Do not even wait for the request.
    bool hasty = false;
  };
  // Listens at once.
  explicit ScriptedServer(Script script);
  ~ScriptedServer();

  const std::string& socket() const { return socket_; }
  // Waits until the connection is over.
  void Join();
  // After Join(): what came in on stream 1.
  const std::map<std::string, std::string>& request_headers() const { return request_headers_; }
  const std::string& request_data() const { return request_data_; }

 private:
  void Serve();
  // False when the client has gone.
  bool ReadRequest(int fd);

  const Script script_;
  std::string folder_;
  std::string socket_;
  UniqueFd listener_;
  std::map<std::string, std::string> request_headers_;
  std::string request_data_;
  std::thread thread_;
};

}  // namespace xpu
