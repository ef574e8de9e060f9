#include "common/rpc/tls_credentials.h"

#include <ctime>
#include <fstream>
#include <sstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/base/status_macros.h"
#include "common/tls/openssl.h"
#include "spdlog/spdlog.h"

namespace xpu {
namespace {

absl::StatusOr<std::string> ReadPem(const std::string& path, absl::string_view what) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  if (!file || text.str().empty()) {
    return absl::InvalidArgumentError(absl::StrCat("cannot read the TLS ", what, " from \"", path, "\""));
  }
  return text.str();
}

absl::StatusOr<TlsPem> ReadFiles(const TlsFiles& files) {
  TlsPem pem;
  XPU_ASSIGN_OR_RETURN(pem.certificate, ReadPem(files.certificate, "certificate"));
  XPU_ASSIGN_OR_RETURN(pem.key, ReadPem(files.key, "key"));
  XPU_ASSIGN_OR_RETURN(pem.ca, ReadPem(files.ca, "CA"));
  XPU_RETURN_IF_ERROR(Annotate(CheckPem(pem, absl::ToUnixSeconds(absl::Now())),
                               absl::StrCat("the TLS certificate \"", files.certificate, "\"")));
  return pem;
}

std::string FolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

absl::Status CheckPem(const TlsPem& pem, int64_t now) {
  const OpenSslErrors errors;
  const std::vector<OpenSslPtr<X509>> certificates = CertificatesOf(pem.certificate);
  if (certificates.empty()) return absl::InvalidArgumentError("it is no certificate in PEM");
  X509* const certificate = certificates.front().get();
  const OpenSslPtr<EVP_PKEY> key = PrivateKeyOf(pem.key);
  if (key == nullptr) return absl::InvalidArgumentError("its key is no private key in PEM");
  if (CertificatesOf(pem.ca).empty()) return absl::InvalidArgumentError("its CA is no certificate in PEM");
  if (X509_check_private_key(certificate, key.get()) != 1) {
    return absl::InvalidArgumentError("its key is another certificate's");
  }
  auto time = static_cast<time_t>(now);
  if (X509_cmp_time(X509_get0_notAfter(certificate), &time) < 0) {
    return absl::InvalidArgumentError("it is over; have a new one signed");
  }
  if (X509_cmp_time(X509_get0_notBefore(certificate), &time) > 0) {
    return absl::InvalidArgumentError("it does not hold yet; is the machine's clock right?");
  }
  return absl::OkStatus();
}

absl::Status NeedsTls(absl::string_view address) {
  return absl::InvalidArgumentError(absl::StrCat(
      address, " is not on this machine alone: give certificate, key and CA for mTLS, or use unix:/path"));
}

absl::StatusOr<std::shared_ptr<TlsCredentials>> TlsCredentials::LoadFor(absl::string_view address,
                                                                        const TlsFiles& files) {
  if (files.certificate.empty() || files.key.empty() || files.ca.empty()) return NeedsTls(address);
  return Load(files);
}

absl::StatusOr<std::shared_ptr<TlsCredentials>> TlsCredentials::Load(const TlsFiles& files) {
  std::shared_ptr<TlsCredentials> credentials(new TlsCredentials(files));
  XPU_RETURN_IF_ERROR(credentials->Reload());
  return credentials;
}

absl::Status TlsCredentials::Follow(EventLoop& loop) {
  for (const std::string& folder :
       std::set<std::string>{FolderOf(files_.certificate), FolderOf(files_.key), FolderOf(files_.ca)}) {
    // Any name in it: a file may be a link to a link that is turned.
    XPU_ASSIGN_OR_RETURN(
        watches_.emplace_back(),
        FolderWatch::Start(
            loop, folder, [this](FolderWatch::Change, const std::string&) { FilesChanged(); },
            FolderWatch::Events::kNamesAndContents));
  }
  return absl::OkStatus();
}

void TlsCredentials::FilesChanged() {
  const std::shared_ptr<const TlsPem> before = pem();
  const absl::Status status = Reload();
  if (!status.ok()) {
    spdlog::warn("{}; the credentials from before stay in use until the files are right",
                 std::string(status.message()));
  } else if (pem() != before) {
    spdlog::info("took up new TLS credentials from {}", files_.certificate);
  }
  problem_ = status;
}

absl::Status TlsCredentials::Reload() {
  XPU_ASSIGN_OR_RETURN(TlsPem now, ReadFiles(files_));
  {
    absl::MutexLock lock(&mu_);
    if (pem_ != nullptr && *pem_ == now) return absl::OkStatus();
    pem_ = std::make_shared<const TlsPem>(std::move(now));
  }
  absl::MutexLock lock(&subscribers_mu_);
  for (const auto& [id, changed] : subscribers_) changed();
  return absl::OkStatus();
}

std::shared_ptr<const TlsPem> TlsCredentials::pem() const {
  absl::MutexLock lock(&mu_);
  return pem_;
}

std::unique_ptr<TlsCredentials::Subscription> TlsCredentials::Subscribe(
    const std::shared_ptr<TlsCredentials>& credentials, std::function<void()> changed) {
  absl::MutexLock lock(&credentials->subscribers_mu_);
  const uint64_t id = credentials->next_subscriber_++;
  credentials->subscribers_[id] = std::move(changed);
  return std::unique_ptr<Subscription>(new Subscription(credentials, id));
}

TlsCredentials::Subscription::~Subscription() {
  absl::MutexLock lock(&credentials_->subscribers_mu_);
  credentials_->subscribers_.erase(id_);
}

}  // namespace xpu
