#pragma once

#include <cstddef>
#include <string>

#include "absl/time/time.h"
#include "host-agent/ipam/ipam.h"

namespace xpu {

// Runs the plugins, as programs, in this process's own namespace: they find the container's by CNI_NETNS.
//
// A plugin that is too old for the version of the configuration is run once more with that of 1.0.0, in which
// nothing that an IPAM plugin reads is different.
class ExecIpamRunner final : public IpamRunner {
 public:
  struct Options {
    // The runtimes' own patience with a whole ADD is some minutes.
    absl::Duration deadline = absl::Seconds(60);
    // Of each of standard output and error, bytes.
    size_t max_output = 1 << 20;
  };
  ExecIpamRunner() = default;
  explicit ExecIpamRunner(Options options) : options_(options) {}

  absl::StatusOr<IpamResult> Add(const IpamCall& call, const Attachment& attachment) override;
  absl::Status Del(const IpamCall& call, const Attachment& attachment) override;
  absl::Status Check(const IpamCall& call, const Attachment& attachment) override;
  absl::Status Gc(const IpamCall& call) override;
  absl::Status Status(const IpamCall& call) override;

 private:
  // A command that not every plugin knows; those are asked.
  absl::Status RunIfKnown(const char* command, const IpamCall& call);
  // What the plugin wrote to standard output.
  absl::StatusOr<std::string> Run(const char* command, const IpamCall& call, const Attachment& attachment);
  absl::StatusOr<std::string> RunOnce(const std::string& program, const char* command, const IpamCall& call,
                                      const Attachment& attachment);

  const Options options_;
};

}  // namespace xpu
