// Any bytes from an API server on a watch, cut into pieces anywhere: events of objects that everything which
// looks at objects can look at, then one end at most and nothing after it.
//
// The first byte says how long the pieces are.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/kube/kube_errors.h"
#include "common/kube/metadata.h"
#include "common/kube/watch_stream.h"

namespace {

void Check(bool holds) {
  if (!holds) std::abort();
}

// What controllers do with an object before they know what it is.
void LookAt(xpu::Resource object) {
  const xpu::ResourceName name = xpu::NameOf(object);
  xpu::UidOf(object);
  xpu::VersionOf(object);
  xpu::GenerationOf(object);
  xpu::IsBeingDeleted(object);
  xpu::GetCondition(object, "Ready");
  // Whatever its metadata was, it can be held and let go.
  xpu::AddFinalizer(&object, "xpu.opiproject.org/fuzz");
  Check(xpu::HasFinalizer(object, "xpu.opiproject.org/fuzz"));
  xpu::RemoveFinalizer(&object, "xpu.opiproject.org/fuzz");
  Check(!xpu::HasFinalizer(object, "xpu.opiproject.org/fuzz"));
  xpu::SetCondition(&object, {.type = "Ready", .status = "True", .reason = "Fuzz", .message = ""},
                    absl::UnixEpoch());
  Check(xpu::GetCondition(object, "Ready").status == "True");
  Check(xpu::NameOf(object) == name);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const size_t piece = 1 + data[0];
  absl::string_view bytes(reinterpret_cast<const char*>(data + 1), size - 1);
  int ends = 0;
  xpu::WatchSink sink({[&](const xpu::WatchEvent& event) {
                         Check(ends == 0 && event.object.is_object());
                         LookAt(event.object);
                       },
                       [&](const absl::Status& status) {
                         // An end that the server gives no reason for is an OK of the connection, not of a
                         // line.
                         Check(++ends == 1 && !status.ok() && !status.message().empty());
                         xpu::RetryAfter(status);
                       }});
  xpu::LineSplitter splitter;
  std::string joined;
  while (!bytes.empty()) {
    const absl::string_view next = bytes.substr(0, piece);
    bytes.remove_prefix(next.size());
    Check(splitter.Feed(next, [&](const std::string& line) {
      Check(!line.empty() && line.find('\n') == std::string::npos);
      joined += line + "\n";
      sink.Line(line);
    }));
  }
  // However it was cut: the same lines.
  std::string whole;
  xpu::LineSplitter at_once;
  at_once.Feed(absl::string_view(reinterpret_cast<const char*>(data + 1), size - 1),
               [&](const std::string& line) { whole += line + "\n"; });
  Check(whole == joined);
  return 0;
}
