#include "test/bench/kube_server.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "common/base/status_macros.h"

namespace xpu::testing {
namespace {

constexpr int kWritersAtOnce = 16;

// What a server adds to metadata.
std::string Kept(bool stored, int i, int generation) {
  if (!stored) return "";
  return absl::StrFormat(
      R"(,"uid":"8f2e5a64-0000-4000-8000-%012d","creationTimestamp":"2026-01-01T00:00:00Z","generation":%d,)"
      R"("resourceVersion":"%d")",
      i, generation, 100'000 + generation);
}

}  // namespace

std::string NetdevJson(int i, int claim, bool stored) {
  return absl::StrFormat(
      R"({"apiVersion":"xpu.opiproject.org/v1alpha1","kind":"Netdev","metadata":{"name":"nd-%05d",)"
      R"("namespace":"default"%s},"spec":{"host":"node-%d","function":"0000:03:00.2","card":"card%d",)"
      R"("port":"host0-%d","claim":%d,"network":"blue","mac":"02:00:00:00:%02x:%02x","addresses":["10.0.%d.%d"],)"
      R"("pod":{"namespace":"default","name":"web-7d9c5bd6b4-%05d",)"
      R"("containerId":"4f1d6a1e8c3b5a7f9e2d4c6b8a0f1e3d5c7b9a8f6e4d2c1b3a5f7e9d8c6b%05d"}}})",
      i, Kept(stored, i, claim), i / 256, i / 256, i % 256, claim, i >> 8 & 255, i & 255, i >> 8 & 255,
      i & 255, i, i);
}

std::string NetworkJson(int i, int mtu, bool stored) {
  return absl::StrFormat(
      R"({"apiVersion":"xpu.opiproject.org/v1alpha1","kind":"Network","metadata":{"name":"net-%05d",)"
      R"("namespace":"default"%s},"spec":{"vni":%d,"prefixes":["10.0.0.0/16","fd00::/64"],"mtu":%d}})",
      i, Kept(stored, i, mtu), i + 1, mtu);
}

std::string NetdevPath(int i) { return absl::StrFormat("%s/nd-%05d", kNetdevsPath, i); }
std::string NetworkPath(int i) { return absl::StrFormat("%s/net-%05d", kNetworksPath, i); }

absl::StatusOr<std::unique_ptr<Process>> StartReady(const std::vector<std::string>& argv,
                                                    const std::string& folder) {
  XPU_ASSIGN_OR_RETURN(ReadinessSocket readiness, ReadinessSocket::Make(folder + "/notify.sock"));
  XPU_ASSIGN_OR_RETURN(
      Process process,
      Process::Spawn({.argv = argv, .environment = {readiness.environment()}, .new_session = false}));
  XPU_RETURN_IF_ERROR(readiness.Wait(process, absl::Now() + absl::Seconds(60)));
  return std::make_unique<Process>(std::move(process));
}

absl::StatusOr<std::unique_ptr<KubeServer>> KubeServer::Start(const std::string& bin_dir) {
  XPU_ASSIGN_OR_RETURN(TemporaryDirectory folder, TemporaryDirectory::Make());
  std::unique_ptr<KubeServer> server(new KubeServer(std::move(folder)));
  XPU_ASSIGN_OR_RETURN(server->process_,
                       StartReady({bin_dir + "/xpu-apiserver", "--listen", server->endpoint(), "--database",
                                   server->folder_.path() + "/store.db", "--log-level", "warn"},
                                  server->folder_.path()));
  return server;
}

absl::Status KubeServer::FillWithNetdevs(int count) {
  XPU_ASSIGN_OR_RETURN(const std::unique_ptr<HttpLoad> load, HttpLoad::Connect(socket(), kWritersAtOnce));
  return load->Run(static_cast<size_t>(count), [](size_t i) {
    return HttpLoad::Request("POST", kNetdevsPath, NetdevJson(static_cast<int>(i), 1));
  });
}

}  // namespace xpu::testing
