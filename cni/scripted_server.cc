#include "cni/scripted_server.h"

#include <nghttp2/nghttp2.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <stdexcept>

namespace xpu {
namespace {

constexpr uint8_t kData = 0x0;
constexpr uint8_t kHeaders = 0x1;
constexpr uint8_t kRstStream = 0x3;
constexpr uint8_t kSettings = 0x4;
constexpr uint8_t kGoaway = 0x7;
constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

std::string BigEndian(uint32_t value, int bytes) {
  std::string text;
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) text.push_back(static_cast<char>(value >> shift));
  return text;
}

// RFC 7541, section 5.2, without Huffman coding; lengths below 127 + 128.
std::string HpackString(std::string_view text) {
  std::string out;
  if (text.size() < 127) {
    out.push_back(static_cast<char>(text.size()));
  } else {
    out.push_back(127);
    size_t rest = text.size() - 127;
    for (; rest >= 128; rest >>= 7) out.push_back(static_cast<char>(rest % 128 + 128));
    out.push_back(static_cast<char>(rest));
  }
  return out.append(text);
}

bool ReadExactly(int fd, size_t size, std::string& out) {
  out.resize(size);
  size_t got = 0;
  while (got < size) {
    const ssize_t n = recv(fd, out.data() + got, size - got, 0);
    if (n <= 0) return false;
    got += static_cast<size_t>(n);
  }
  return true;
}

void Inflate(nghttp2_hd_inflater* inflater, std::string_view block,
             std::map<std::string, std::string>& headers) {
  auto* in = reinterpret_cast<const uint8_t*>(block.data());
  size_t left = block.size();
  while (true) {
    nghttp2_nv header;
    int flags = 0;
    const ssize_t n = nghttp2_hd_inflate_hd2(inflater, &header, &flags, in, left, 1);
    if (n < 0) throw std::runtime_error("malformed header block");
    in += n;
    left -= static_cast<size_t>(n);
    if (flags & NGHTTP2_HD_INFLATE_EMIT) {
      headers[std::string(reinterpret_cast<char*>(header.name), header.namelen)] =
          std::string(reinterpret_cast<char*>(header.value), header.valuelen);
    }
    if (flags & NGHTTP2_HD_INFLATE_FINAL) break;
  }
  nghttp2_hd_inflate_end_headers(inflater);
}

}  // namespace

std::string ScriptedServer::Frame(uint8_t type, uint8_t flags, uint32_t stream, std::string_view payload) {
  std::string frame = BigEndian(static_cast<uint32_t>(payload.size()), 3);
  frame.push_back(static_cast<char>(type));
  frame.push_back(static_cast<char>(flags));
  return frame.append(BigEndian(stream, 4)).append(payload);
}

std::string ScriptedServer::SettingsFrame() { return Frame(kSettings, 0, 0, ""); }

std::string ScriptedServer::HeadersFrame(const Headers& headers, bool end_stream) {
  std::string block;
  for (const auto& [name, value] : headers) {
    block.push_back(0);
    block += HpackString(name) + HpackString(value);
  }
  return Frame(kHeaders, static_cast<uint8_t>(kEndHeaders | (end_stream ? kEndStream : 0)), 1, block);
}

std::string ScriptedServer::DataFrame(std::string_view data, bool end_stream) {
  return Frame(kData, end_stream ? kEndStream : 0, 1, data);
}

std::string ScriptedServer::RstStreamFrame(uint32_t error) {
  return Frame(kRstStream, 0, 1, BigEndian(error, 4));
}

std::string ScriptedServer::GoawayFrame(uint32_t last_stream, uint32_t error) {
  return Frame(kGoaway, 0, 0, BigEndian(last_stream, 4) + BigEndian(error, 4));
}

std::string ScriptedServer::Opening() {
  return SettingsFrame() + HeadersFrame({{":status", "200"}, {"content-type", "application/grpc"}}, false);
}

std::string ScriptedServer::Message(std::string_view message) {
  return std::string(1, '\0') + BigEndian(static_cast<uint32_t>(message.size()), 4) + std::string(message);
}

ScriptedServer::ScriptedServer(Script script) : script_(std::move(script)) {
  char folder[] = "/tmp/scripted-XXXXXX";
  if (mkdtemp(folder) == nullptr) throw std::runtime_error("mkdtemp");
  folder_ = folder;
  socket_ = folder_ + "/server.sock";
  listener_ = UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  memcpy(address.sun_path, socket_.data(), socket_.size());
  if (bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      listen(listener_.get(), 8) != 0) {
    throw std::runtime_error("cannot listen on " + socket_);
  }
  thread_ = std::thread([this] { Serve(); });
}

ScriptedServer::~ScriptedServer() {
  // Ends an accept() that nobody came for.
  shutdown(listener_.get(), SHUT_RDWR);
  Join();
  unlink(socket_.c_str());
  rmdir(folder_.c_str());
}

void ScriptedServer::Join() {
  if (thread_.joinable()) thread_.join();
}

void ScriptedServer::Serve() {
  const UniqueFd fd(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!fd) return;
  const int smallest = 1;
  if (script_.piece < 1000) setsockopt(fd.get(), SOL_SOCKET, SO_SNDBUF, &smallest, sizeof smallest);
  if (!script_.hasty && !ReadRequest(fd.get())) return;
  for (size_t sent = 0; sent < script_.bytes.size();) {
    const size_t size = std::min(script_.piece, script_.bytes.size() - sent);
    const ssize_t n = send(fd.get(), script_.bytes.data() + sent, size, MSG_NOSIGNAL);
    if (n <= 0) return;
    sent += static_cast<size_t>(n);
  }
  char ignored[4096];
  while (!script_.close && recv(fd.get(), ignored, sizeof ignored, 0) > 0) {
  }
}

bool ScriptedServer::ReadRequest(int fd) {
  std::string preface;
  if (!ReadExactly(fd, kPreface.size(), preface) || preface != kPreface) return false;
  nghttp2_hd_inflater* inflater = nullptr;
  nghttp2_hd_inflate_new(&inflater);
  bool ended = false;
  bool alive = true;
  while (!ended && alive) {
    std::string head;
    std::string payload;
    alive = ReadExactly(fd, 9, head);
    if (!alive) break;
    const auto byte = [&](size_t i) { return static_cast<uint8_t>(head[i]); };
    alive = ReadExactly(fd, size_t{byte(0)} << 16 | size_t{byte(1)} << 8 | byte(2), payload);
    if (byte(3) == kHeaders) Inflate(inflater, payload, request_headers_);
    if (byte(3) == kData) request_data_ += payload;
    ended = (byte(3) == kHeaders || byte(3) == kData) && (byte(4) & kEndStream) != 0;
  }
  nghttp2_hd_inflate_del(inflater);
  return alive;
}

}  // namespace xpu
