#include "common/http/test_http.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace xpu {
namespace {

constexpr long kPatienceSeconds = 20;

size_t Append(char* data, size_t size, size_t count, void* out) {
  static_cast<std::string*>(out)->append(data, size * count);
  return size * count;
}

}  // namespace

TestHttp::TestHttp(const std::string& endpoint) : curl_(curl_easy_init()) {
  absl::string_view path = endpoint;
  if (absl::ConsumePrefix(&path, "unix:")) {
    unix_path_ = std::string(path);
    base_ = "http://test";
  } else if (absl::ConsumePrefix(&path, "tls:")) {
    base_ = absl::StrCat("https://", path);
  } else {
    base_ = "http://" + endpoint;
  }
}

TestHttp::~TestHttp() { curl_easy_cleanup(curl_); }

TestReply TestHttp::Get(const std::string& path, const std::string& accept) {
  return Do("GET", path, "", "application/json", accept);
}

TestReply TestHttp::Do(const std::string& method, const std::string& path, const std::string& body,
                       const std::string& content_type, const std::string& accept) {
  TestReply reply;
  curl_easy_reset(curl_);
  curl_slist* headers = curl_slist_append(
      nullptr, absl::StrCat("Content-Type:", content_type.empty() ? "" : " ", content_type).c_str());
  headers = curl_slist_append(headers, "Expect:");
  headers = curl_slist_append(headers, absl::StrCat("Accept:", accept.empty() ? "" : " ", accept).c_str());
  for (const std::string& line : headers_) headers = curl_slist_append(headers, line.c_str());
  if (!token_.empty()) {
    headers = curl_slist_append(headers, absl::StrCat("Authorization: Bearer ", token_).c_str());
  }
  if (!ca_.empty()) curl_easy_setopt(curl_, CURLOPT_CAINFO, ca_.c_str());
  if (!certificate_.empty()) {
    curl_easy_setopt(curl_, CURLOPT_SSLCERT, certificate_.c_str());
    curl_easy_setopt(curl_, CURLOPT_SSLKEY, key_.c_str());
  }
  if (!unix_path_.empty()) curl_easy_setopt(curl_, CURLOPT_UNIX_SOCKET_PATH, unix_path_.c_str());
  curl_easy_setopt(curl_, CURLOPT_NOPROXY, "*");
  curl_easy_setopt(curl_, CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(curl_, CURLOPT_URL, (base_ + path).c_str());
  curl_easy_setopt(curl_, CURLOPT_CUSTOMREQUEST, method.c_str());
  curl_easy_setopt(curl_, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(curl_, CURLOPT_TIMEOUT, kPatienceSeconds);
  curl_easy_setopt(curl_, CURLOPT_WRITEFUNCTION, &Append);
  curl_easy_setopt(curl_, CURLOPT_WRITEDATA, &reply.body);
  if (method == "HEAD") curl_easy_setopt(curl_, CURLOPT_NOBODY, 1L);
  if (!body.empty()) {
    curl_easy_setopt(curl_, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
    curl_easy_setopt(curl_, CURLOPT_POSTFIELDS, body.data());
  }
  if (curl_easy_perform(curl_) == CURLE_OK) {
    curl_easy_getinfo(curl_, CURLINFO_RESPONSE_CODE, &reply.code);
    curl_off_t retry_after = 0;
    curl_easy_getinfo(curl_, CURLINFO_RETRY_AFTER, &retry_after);
    reply.retry_after = static_cast<long>(retry_after);
    char* type = nullptr;
    curl_easy_getinfo(curl_, CURLINFO_CONTENT_TYPE, &type);
    if (type != nullptr) reply.content_type = type;
    if (nlohmann::json parsed = nlohmann::json::parse(reply.body, nullptr, false); !parsed.is_discarded()) {
      reply.json = std::move(parsed);
    }
  }
  curl_slist_free_all(headers);
  return reply;
}

}  // namespace xpu
