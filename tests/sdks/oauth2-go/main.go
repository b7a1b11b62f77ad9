// golang.org/x/oauth2, unmodified, at the OAuth door: oauth2-go DOOR ISSUER STOP
//
// It calls WeChat until the file STOP is there, and says each token that is new to it by a number. The
// library asks for the next token when 10 s are left of one.
package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"golang.org/x/oauth2/clientcredentials"
)

func main() {
	door, issuer, stop := os.Args[1], os.Args[2], os.Args[3]
	config := clientcredentials.Config{
		ClientID: "web", ClientSecret: "key-of-web-0123456789",
		TokenURL: door + "/oauth2/token", Scopes: []string{"shop"},
	}
	tokens := config.TokenSource(context.Background())
	seen := map[string]bool{}
	for {
		if _, err := os.Stat(stop); err == nil {
			return
		}
		token, err := tokens.Token()
		if err != nil {
			fail("no token")
		}
		answer, err := http.Get(issuer + "/cgi-bin/get_api_domain_ip?access_token=" + token.AccessToken)
		if err != nil {
			fail("no answer")
		}
		body, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil || !strings.Contains(string(body), "ip_list") {
			fail("the call was refused")
		}
		if !seen[token.AccessToken] {
			seen[token.AccessToken] = true
			fmt.Println("token", len(seen))
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func fail(why string) {
	fmt.Fprintln(os.Stderr, why)
	os.Exit(1)
}
