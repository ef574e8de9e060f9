#include "common/kube/credentials.h"

#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/base/status_macros.h"
#include "common/sys/files.h"
#include "common/sys/process.h"
#include "nlohmann/json.hpp"

namespace xpu {
namespace {

using nlohmann::json;

// What a person may have to do for a plugin, such as a login in a browser, is not for agents; a plugin that
// asks a server takes seconds.
constexpr absl::Duration kPluginTime = absl::Seconds(30);
// An identity is renewed this long before it expires, so that it does not expire on its way.
constexpr absl::Duration kMargin = absl::Seconds(10);

absl::StatusOr<std::string> ReadCredential(const std::string& path, const char* what) {
  absl::StatusOr<std::string> text = ReadFile(path);
  if (!text.ok()) {
    return absl::UnauthenticatedError(
        absl::StrCat("the ", what, " for the API server cannot be read: ", text.status().message()));
  }
  if (absl::StripAsciiWhitespace(*text).empty()) {
    return absl::UnauthenticatedError(absl::StrCat("the ", what, " for the API server is empty: ", path));
  }
  return text;
}

class FileCredentials final : public KubeCredentials {
 public:
  explicit FileCredentials(KubeIdentityFiles files) : files_(std::move(files)) {}

  absl::StatusOr<KubeIdentity> Get() override {
    KubeIdentity identity = files_.text;
    if (!files_.token_file.empty()) {
      XPU_ASSIGN_OR_RETURN(const std::string token, ReadCredential(files_.token_file, "token"));
      identity.token = std::string(absl::StripAsciiWhitespace(token));
    }
    if (!files_.certificate_file.empty()) {
      XPU_ASSIGN_OR_RETURN(identity.certificate,
                           ReadCredential(files_.certificate_file, "client certificate"));
    }
    if (!files_.key_file.empty()) {
      XPU_ASSIGN_OR_RETURN(identity.key, ReadCredential(files_.key_file, "client key"));
    }
    return identity;
  }
  void Refused(const KubeIdentity&) override {}

 private:
  const KubeIdentityFiles files_;
};

std::string StringOf(const json& object, const char* key) {
  const auto it = object.find(key);
  return it != object.end() && it->is_string() ? it->get<std::string>() : "";
}

struct ExecAnswer {
  KubeIdentity identity;
  absl::Time expires = absl::InfiniteFuture();
};

absl::StatusOr<ExecAnswer> ReadExecAnswer(const std::string& output, const KubeExecPlugin& plugin) {
  const auto bad = [&plugin](absl::string_view why) {
    return absl::UnauthenticatedError(absl::StrCat("the credential plugin ", plugin.command[0], " ", why));
  };
  const json answer = json::parse(output, nullptr, /*allow_exceptions=*/false);
  if (!answer.is_object() || StringOf(answer, "kind") != "ExecCredential") {
    return bad("did not write an ExecCredential to its standard output");
  }
  if (StringOf(answer, "apiVersion") != plugin.api_version) {
    return bad(absl::StrCat("answered as ", StringOf(answer, "apiVersion"), ", but the kubeconfig says ",
                            plugin.api_version));
  }
  const auto status = answer.find("status");
  if (status == answer.end() || !status->is_object()) return bad("answered without a status");
  ExecAnswer read;
  read.identity.token = StringOf(*status, "token");
  read.identity.certificate = StringOf(*status, "clientCertificateData");
  read.identity.key = StringOf(*status, "clientKeyData");
  if (read.identity.certificate.empty() != read.identity.key.empty()) {
    return bad("gave one of clientCertificateData and clientKeyData, but not the other");
  }
  if (read.identity == KubeIdentity()) return bad("gave neither a token nor a certificate");
  const std::string expires = StringOf(*status, "expirationTimestamp");
  std::string error;
  if (!expires.empty() && !absl::ParseTime(absl::RFC3339_full, expires, &read.expires, &error)) {
    return bad(absl::StrCat("gave the expirationTimestamp \"", expires, "\", which is no time: ", error));
  }
  return read;
}

class ExecCredentials final : public KubeCredentials {
 public:
  ExecCredentials(KubeExecPlugin plugin, Clock& clock) : plugin_(std::move(plugin)), clock_(clock) {}

  absl::StatusOr<KubeIdentity> Get() override {
    // One run at a time; the others wait for its answer.
    absl::MutexLock lock(&mu_);
    if (!answer_ || answer_->expires - kMargin <= clock_.Now()) {
      XPU_ASSIGN_OR_RETURN(answer_, Run());
    }
    return answer_->identity;
  }

  void Refused(const KubeIdentity& identity) override {
    absl::MutexLock lock(&mu_);
    if (answer_ && answer_->identity == identity) answer_.reset();
  }

 private:
  absl::StatusOr<ExecAnswer> Run() const {
    json info = {
        {"apiVersion", plugin_.api_version}, {"kind", "ExecCredential"}, {"spec", {{"interactive", false}}}};
    if (!plugin_.cluster.empty()) info["spec"]["cluster"] = json::parse(plugin_.cluster, nullptr, false);
    SpawnOptions options;
    options.argv = plugin_.command;
    options.environment = plugin_.environment;
    options.environment.emplace_back("KUBERNETES_EXEC_INFO", info.dump());
    const absl::StatusOr<std::string> output = RunProgram(options, absl::Now() + kPluginTime);
    if (!output.ok()) {
      const bool missing = absl::IsNotFound(output.status()) && !plugin_.install_hint.empty();
      return absl::UnauthenticatedError(absl::StrCat(
          "the credential plugin ", plugin_.command[0], " gave no identity: ", output.status().message(),
          missing ? "; " : "", missing ? plugin_.install_hint : ""));
    }
    return ReadExecAnswer(*output, plugin_);
  }

  const KubeExecPlugin plugin_;
  Clock& clock_;
  absl::Mutex mu_;
  std::optional<ExecAnswer> answer_ ABSL_GUARDED_BY(mu_);
};

}  // namespace

std::unique_ptr<KubeCredentials> MakeFileCredentials(KubeIdentityFiles files) {
  return std::make_unique<FileCredentials>(std::move(files));
}

std::unique_ptr<KubeCredentials> MakeExecCredentials(KubeExecPlugin plugin, Clock& clock) {
  return std::make_unique<ExecCredentials>(std::move(plugin), clock);
}

}  // namespace xpu
