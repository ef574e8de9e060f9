// Any bytes from the other end of a connection, at a server and at a client: no crash, no message beyond the
// limit, and each call ends once. The first byte says who reads and how the bytes come.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "common/loop_rpc/grpc_session.h"

namespace {

using xpu::GrpcSession;
using Stream = GrpcSession::Stream;

constexpr size_t kMaxMessage = 1000;
// Otherwise the input has to begin with the client's preface and an empty SETTINGS frame.
constexpr uint8_t kAfterPreface = 2;
constexpr uint8_t kInSmallPieces = 4;

void Require(bool holds) {
  if (!holds) __builtin_trap();
}

void Feed(GrpcSession& session, std::string_view bytes, bool small) {
  const size_t piece = small ? 7 : bytes.size();
  std::string out;
  while (!bytes.empty() && session.Receive(bytes.substr(0, piece))) {
    bytes.remove_prefix(std::min(piece, bytes.size()));
    session.TakeOutput(size_t{1} << 20, out);
    session.TellDrained();
    out.clear();
  }
  session.TakeOutput(size_t{1} << 20, out);
}

void FuzzServer(std::string_view bytes, uint8_t how) {
  std::set<Stream> open;
  GrpcSession* raw = nullptr;
  GrpcSession session({.role = GrpcSession::Role::kServer, .max_message = kMaxMessage},
                      {.called =
                           [&](Stream stream, const GrpcSession::Request& request) {
                             Require(request.message.size() <= kMaxMessage);
                             Require(open.insert(stream).second);
                             raw->Write(stream, request.message);
                             // Some stay open.
                             if (request.message.size() % 2 == 0) return;
                             raw->Finish(stream, absl::NotFoundError(request.path));
                             open.erase(stream);
                           },
                       .cancelled =
                           [&](Stream stream) {
                             // Also one whose request was never whole.
                             open.erase(stream);
                           },
                       .drained = [&](Stream stream) { Require(open.contains(stream)); }});
  raw = &session;
  if ((how & kAfterPreface) != 0) {
    session.Receive(std::string_view("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", 33));
  }
  Feed(session, bytes, (how & kInSmallPieces) != 0);
  session.EndAll();
  Require(open.empty());
}

void FuzzClient(std::string_view bytes, uint8_t how) {
  std::map<Stream, int> ends;
  int ready = 0, goodbye = 0;
  GrpcSession* raw = nullptr;
  GrpcSession session(
      {.role = GrpcSession::Role::kClient, .max_message = kMaxMessage},
      {.message = [](Stream, const std::string& message) { Require(message.size() <= kMaxMessage); },
       .ended =
           [&](Stream stream, const GrpcSession::End& end) {
             Require(++ends.at(stream) == 1);
             Require(!end.unseen || !end.answered);
             // As a client does with what nobody has seen.
             if (end.unseen && ends.size() < 10) {
               if (const Stream again = raw->Call("/a.B/C", "x", {}); again >= 0) ends[again] = 0;
             }
           },
       .ready = [&] { Require(++ready == 1); },
       .goodbye =
           [&] {
             Require(++goodbye == 1);
             Require(!raw->accepting());
           }});
  raw = &session;
  for (int i = 0; i < 3; ++i) ends[session.Call("/a.B/C", "x", {}, {{"xpu-claim", "1"}})] = 0;
  std::string out;
  session.TakeOutput(size_t{1} << 20, out);
  Feed(session, bytes, (how & kInSmallPieces) != 0);
  session.EndAll();
  for (const auto& [stream, times] : ends) Require(times == 1);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  if ((data[0] & 1) != 0) {
    FuzzClient(bytes, data[0]);
  } else {
    FuzzServer(bytes, data[0]);
  }
  return 0;
}
