#include "test/bench/etcd.h"

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "etcd/rpc.pb.h"

namespace xpu::testing {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(60);

// The first key behind all that begin with `prefix` (etcd's range_end).
std::string Behind(std::string prefix) {
  ++prefix.back();
  return prefix;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Etcd>> Etcd::Start() {
  XPU_ASSIGN_OR_RETURN(TemporaryDirectory folder, TemporaryDirectory::Make());
  std::unique_ptr<Etcd> etcd(new Etcd(std::move(folder)));
  // Its sockets are named relative to where it runs, and like hosts with ports. The addresses that it tells
  // others are used by nobody, as it is alone.
  const std::string command = absl::StrCat(
      "cd ", etcd->folder_.path(),
      " && exec etcd --name bench --data-dir data --listen-client-urls unix://client:1 "
      "--advertise-client-urls "
      "http://localhost:1 --listen-peer-urls unix://peer:1 --initial-advertise-peer-urls http://localhost:1 "
      "--initial-cluster bench=http://localhost:1");
  XPU_ASSIGN_OR_RETURN(const CommandOutput version, RunCommand({.argv = {"sh", "-c", "etcd --version"}}));
  if (version.exit_code != 0) {
    return absl::NotFoundError(
        "there is no etcd to compare with: install Debian's package etcd-server (./dev deps)");
  }
  XPU_ASSIGN_OR_RETURN(etcd->process_, ChildProcess::Start({.argv = {"sh", "-c", command}}));
  etcd->client_ = std::make_unique<LoopRpcClient>(etcd->loop_, etcd->folder_.path() + "/client:1");
  XPU_RETURN_IF_ERROR(Annotate(etcd->Get(1, 1, [](size_t) { return "ready"; }), "etcd"));
  return etcd;
}

absl::Status Etcd::RunUntil(const std::function<bool()>& done) {
  bool late = false;
  const EventLoop::Handle deadline = loop_.After(kPatience, [&] {
    late = true;
    loop_.Stop();
  });
  while (!done() && failed_.ok() && !late) loop_.Run();
  if (late) return absl::DeadlineExceededError("etcd does not answer");
  return failed_;
}

absl::Status Etcd::Calls(const std::string& method, size_t count, int at_once,
                         const std::function<std::string(size_t)>& request) {
  size_t begun = 0, answered = 0;
  std::function<void()> next = [&] {
    if (begun == count) return;
    client_->Call(method, request(begun++), {.timeout = kPatience, .wait_for_ready = true},
                  [&](const LoopRpcClient::Reply& reply) {
                    failed_.Update(reply.status);
                    ++answered;
                    if (answered == count || !failed_.ok()) return loop_.Stop();
                    next();
                  });
  };
  for (int i = 0; i < at_once; ++i) next();
  return RunUntil([&] { return answered == count; });
}

absl::Status Etcd::Put(size_t count, int at_once, const std::function<std::string(size_t)>& key,
                       const std::function<std::string(size_t)>& value) {
  return Calls("/etcdserverpb.KV/Put", count, at_once, [&](size_t i) {
    etcdserverpb::PutRequest request;
    request.set_key(key(i));
    request.set_value(value(i));
    return request.SerializeAsString();
  });
}

absl::Status Etcd::Get(size_t count, int at_once, const std::function<std::string(size_t)>& key) {
  return Calls("/etcdserverpb.KV/Range", count, at_once, [&](size_t i) {
    etcdserverpb::RangeRequest request;
    request.set_key(key(i));
    return request.SerializeAsString();
  });
}

absl::Status Etcd::Watch(int count, const std::string& prefix) {
  etcdserverpb::WatchRequest request;
  request.mutable_create_request()->set_key(prefix);
  request.mutable_create_request()->set_range_end(Behind(prefix));
  watches_ = 0;
  for (int i = 0; i < count; ++i) {
    client_->Stream(
        "/etcdserverpb.Watch/Watch", request.SerializeAsString(), {},
        [this](const std::string& message) {
          etcdserverpb::WatchResponse response;
          if (!response.ParseFromString(message))
            failed_.Update(absl::InternalError("etcd's answer is no answer"));
          watches_ += response.created() ? 1 : 0;
          events_ += static_cast<uint64_t>(response.events_size());
          loop_.Stop();
        },
        [this](const LoopRpcClient::Reply& reply) {
          failed_.Update(reply.status.ok() ? absl::UnavailableError("etcd has ended a watch") : reply.status);
          loop_.Stop();
        });
  }
  return RunUntil([&] { return watches_ == count; });
}

absl::Status Etcd::AwaitEvents(uint64_t count) {
  XPU_RETURN_IF_ERROR(RunUntil([&] { return events_ >= count; }));
  events_ = 0;
  return absl::OkStatus();
}

}  // namespace xpu::testing
