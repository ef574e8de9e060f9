#include "common/loop_rpc/rpc_connection.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace xpu {
namespace {

// What goes to the socket in one piece.
constexpr size_t kPiece = 65536;

}  // namespace

RpcConnection::RpcConnection(EventLoop& loop, UniqueFd fd, const GrpcSession::Options& options,
                             GrpcSession::Events events, std::function<void()> closed,
                             std::unique_ptr<TlsSession> tls)
    : loop_(loop),
      fd_(std::move(fd)),
      closed_(std::move(closed)),
      tls_(std::move(tls)),
      session_(options, std::move(events)) {
  readable_ = loop_.OnReadable(fd_.get(), [this] { Receive(); });
  if (options.role == GrpcSession::Role::kServer) Send();
}

RpcConnection::~RpcConnection() {
  if (!open_) return;
  open_ = false;
  session_.Terminate();
  Send();
}

RpcConnection::Stream RpcConnection::Call(const std::string& path, std::string_view message,
                                          std::optional<std::chrono::nanoseconds> timeout,
                                          const GrpcSession::Metadata& metadata) {
  if (!open_) return -1;
  const Stream stream = session_.Call(path, message, timeout, metadata);
  Flush();
  return stream;
}

void RpcConnection::Cancel(Stream stream) {
  if (!open_) return;
  session_.Cancel(stream);
  Flush();
}

void RpcConnection::Write(Stream stream, std::string_view message) {
  if (!open_) return;
  session_.Write(stream, message);
  Flush();
}

void RpcConnection::Finish(Stream stream, const absl::Status& status) {
  if (!open_) return;
  session_.Finish(stream, status);
  Flush();
}

void RpcConnection::WriteAndFinish(Stream stream, std::string_view message) {
  if (!open_) return;
  session_.Write(stream, message);
  session_.Finish(stream, absl::OkStatus());
  Flush();
}

void RpcConnection::Drain() {
  if (!open_) return;
  session_.Drain();
  Flush();
}

void RpcConnection::Receive() {
  receiving_ = true;
  Take();
  receiving_ = false;
  if (received_ == nullptr) return;
  // A copy: it may destroy this.
  const std::function<void()> received = received_;
  received();
}

void RpcConnection::Take() {
  std::array<char, 16384> buffer;
  const ssize_t n = recv(fd_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n < 0) return Close(strerror(errno));
  if (n == 0) return Close("");
  std::string_view bytes(buffer.data(), static_cast<size_t>(n));
  absl::Status status;
  std::string plain;
  if (tls_ != nullptr) {
    status = tls_->Receive(bytes, plain);
    bytes = plain;
  }
  // What came before TLS could not go on counts.
  if (!bytes.empty()) {
    busy_ = true;
    session_.Receive(bytes);
    busy_ = false;
  }
  Flush();
  if (!status.ok()) Close(std::string(status.message()));
}

void RpcConnection::Flush() {
  if (busy_ || !open_) return;
  Send();
  if (session_.over() && out_.empty()) Close("");
}

void RpcConnection::FillOutput() {
  if (tls_ == nullptr) return session_.TakeOutput(kPiece, out_);
  if (tls_->established()) {
    std::string plain;
    session_.TakeOutput(kPiece, plain);
    tls_->Write(plain);
  }
  tls_->TakeOutput(out_);
}

void RpcConnection::Send() {
  while (true) {
    if (out_.empty()) {
      busy_ = true;
      FillOutput();
      const bool more = out_.empty() && open_ && session_.TellDrained();
      busy_ = false;
      if (more) continue;
      if (out_.empty()) break;
    }
    const ssize_t n = send(fd_.get(), out_.data() + sent_, out_.size() - sent_, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) break;
    sent_ += static_cast<size_t>(n);
    if (sent_ < out_.size()) continue;
    out_.clear();
    sent_ = 0;
    // What an answer needs is not kept for one that was large.
    if (out_.capacity() > kPiece / 4) out_.shrink_to_fit();
  }
  if (!open_) return;
  const bool waits = !out_.empty();
  if (waits != std::exchange(waits_to_write_, waits)) {
    writable_.Cancel();
    // An error of the socket is told when it is read from.
    if (waits) writable_ = loop_.OnWritable(fd_.get(), [this] { Flush(); });
  }
}

void RpcConnection::Close(std::string why) {
  if (!std::exchange(open_, false)) return;
  why_closed_ = std::move(why);
  readable_.Cancel();
  writable_.Cancel();
  busy_ = true;
  session_.EndAll(why_closed_);
  busy_ = false;
  closed_();
}

}  // namespace xpu
